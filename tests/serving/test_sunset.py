"""What will go is announced with every answer, errors too, by the route or the field it stands on."""

from datetime import UTC, datetime
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from starlette.testclient import TestClient

from data.errors import UnknownCustomer
from serving.api.problems import told
from serving.strict import strict
from serving.sunset import Announcing, Deprecated, going

SOON = Deprecated(datetime(2026, 7, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), "/docs/soon")
LATER = Deprecated(
    datetime(2026, 7, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC), "/docs/later"
)


class Asked(BaseModel):
    new: int = 0
    old: Annotated[int, LATER] = 0
    older: Annotated[int, SOON] = 0


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.add_middleware(Announcing)
    app.add_exception_handler(UnknownCustomer, told)

    @app.get("/old", dependencies=[Depends(going(SOON))])
    def old(known: bool = True) -> str:
        if not known:
            raise UnknownCustomer("nobody")
        return "told"

    @app.post("/asked")
    def asked(sent: Annotated[Asked, Depends(strict(Asked))]) -> int:
        return sent.new

    return TestClient(app)


@pytest.mark.parametrize("known, status", [(True, 200), (False, 404)])
def test_a_route_that_will_go_says_since_when_and_until(
    client: TestClient, known: bool, status: int
) -> None:
    told = client.get("/old", params={"known": known})
    assert told.status_code == status
    assert told.headers["deprecation"] == "@1782864000"
    assert told.headers["sunset"] == "Fri, 01 Jan 2027 00:00:00 GMT"
    assert told.headers["link"] == '</docs/soon>; rel="deprecation"'


@pytest.mark.parametrize(
    "sent, link",
    [({"new": 1}, None), ({"old": 0}, "later"), ({"older": 1, "old": 1, "new": 1}, "soon")],
)
def test_a_field_that_will_go_is_announced_to_who_sends_it(
    client: TestClient, sent: dict[str, int], link: str | None
) -> None:
    told = client.post("/asked", json=sent)
    assert told.status_code == 200
    assert told.headers.get("link") == (f'</docs/{link}>; rel="deprecation"' if link else None)
    assert ("sunset" in told.headers) == bool(link)
