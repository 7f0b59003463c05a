"""Identity numbers prove themselves by format and check digit, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.identity.numbers import (
    mainland_check_holds,
    proven_type,
    taiwan_check_holds,
)


@pytest.mark.parametrize(
    "stated,number,proven",
    [
        ("resident", "A123456789", "resident"),
        (None, "A123456789", "resident"),
        ("resident", "A123456788", None),  # check digit
        ("resident", "A213456789", None),  # two digits swapped
        ("resident", "A323456789", None),  # neither man nor woman
        ("resident", "A12345678", None),  # short
        ("resident", "A1234567890", None),  # long
        ("resident", "1123456789", None),  # no letter
        ("residence_permit", "A800000014", "residence_permit"),
        ("residence_permit", "A800000015", None),
        ("resident", "A800000014", None),  # a permit is no national identity card
        ("passport", "A123456789", None),  # a passport has no check digit known to us
        ("other", "A123456789", None),
        ("residence_permit", "AC01234567", None),  # the permits before 2021
        ("resident", "11010519491231002X", "resident"),
        ("resident", "110105194912310021", None),  # check character
        ("resident", "11010519490231002X", None),  # 31 February
        ("residence_permit", "810000199408230021", "residence_permit"),
        ("other", "1804974", None),
    ],
)
def test_a_number_is_proven_by_its_issuers_rule(
    stated: str | None, number: str, proven: str | None
) -> None:
    assert proven_type(stated, number) == proven


@given(st.from_regex(r"[A-Z][1289][0-9]{7}", fullmatch=True), st.integers(1, 8), st.integers(1, 9))
def test_a_wrong_digit_of_a_taiwan_number_is_noticed_unless_its_weight_hides_it(
    head: str, place: int, by: int
) -> None:
    [number] = [head + digit for digit in "0123456789" if taiwan_check_holds(head + digit)]
    wrong = str((int(number[place]) + by) % 10)
    slipped = number[:place] + wrong + number[place + 1 :]
    # A digit that weighs 2, 5, 4, 6 or 8 shares a factor with ten: some slips go unnoticed.
    weight = (8, 7, 6, 5, 4, 3, 2, 1)[place - 1]
    assert taiwan_check_holds(slipped) == (weight * (int(wrong) - int(number[place])) % 10 == 0)


@given(st.dates(), st.integers(100, 999), st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_never_passes_for_a_mainland_number(
    birth: object, order: int, place: int, by: int
) -> None:
    head = f"110105{str(birth).replace('-', '')}{order}"
    [number] = [head + last for last in "0123456789X" if mainland_check_holds(head + last)]
    wrong = str((int(number[place]) + by) % 10)
    assert not mainland_check_holds(number[:place] + wrong + number[place + 1 :])
