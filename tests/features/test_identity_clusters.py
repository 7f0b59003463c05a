"""Sets of records, their names over the runs, and since when they hang together."""

from hypothesis import given
from hypothesis import strategies as st

from features.identity.clusters import Clusters, Link, Place, members, places
from features.identity.crosswalk import Entry, named

ONE, OTHER = ("resident", "A123456789"), ("resident", "A100000001")


def entry(customer: str) -> Entry:
    return Entry(customer, 1.0, "single", 0)


def test_a_chain_between_two_numbers_is_cut_where_it_is_weakest() -> None:
    clusters = Clusters({0: ONE, 3: OTHER})
    assert clusters.join(0, 1) is None
    assert clusters.join(2, 3) is None
    assert clusters.join(1, 2) == "different valid identity numbers"
    assert members(clusters, 4) == {0: [0, 1], 2: [2, 3]}


def test_told_apart_holds_through_others() -> None:
    clusters = Clusters({}, apart=[(0, 2)])
    assert clusters.join(0, 1) is None
    assert clusters.join(1, 2) == "told apart by a reviewer"
    assert clusters.join(2, 3) is None
    assert clusters.join(3, 0) == "told apart by a reviewer"


@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40),
    st.dictionaries(st.integers(0, 11), st.sampled_from([ONE, OTHER]), max_size=8),
)
def test_no_set_ever_holds_two_numbers_of_one_type(
    links: list[tuple[int, int]], proofs: dict[int, tuple[str, str]]
) -> None:
    clusters = Clusters(proofs)
    for one, other in links:
        clusters.join(one, other)
    for records in members(clusters, 12).values():
        assert len({proofs[r] for r in records if r in proofs}) <= 1


def test_a_record_hangs_on_the_chain_that_was_known_first() -> None:
    links = [
        Link(0, 2, 0.99, "model", known_us=900),
        Link(0, 1, 0.97, "model", known_us=300),
        Link(1, 2, 1.00, "identity_number", known_us=500),
    ]
    assert places(0, links, [100, 250, 200]) == {
        0: Place(1.0, "single", 100),
        1: Place(0.97, "model", 300),
        2: Place(1.00, "identity_number", 500),
    }


def test_of_two_chains_known_at_once_the_more_probable_counts() -> None:
    links = [Link(0, 1, 0.96, "model", 300), Link(0, 1, 0.99, "identity_number", 300)]
    assert places(0, links, [100, 200])[1] == Place(0.99, "identity_number", 300)


def test_a_new_person_is_called_after_the_oldest_record() -> None:
    assert named([["b", "a"], ["c"]], {}) == ["b", "c"]


def test_who_has_a_name_keeps_it_and_of_two_names_the_oldest_records() -> None:
    before = {"b": entry("b"), "c": entry("c")}
    assert named([["a", "b", "c"]], before) == ["b"]


def test_of_two_who_were_one_the_name_stays_with_its_own_record() -> None:
    before = {"a": entry("a"), "b": entry("a"), "c": entry("a")}
    assert named([["a"], ["b", "c"]], before) == ["a", "b"]


def test_a_name_in_use_is_not_given_again() -> None:
    came_to_z = {"z": entry("z"), "a": entry("z"), "b": entry("a")}
    assert named([["z"], ["a"], ["b"]], came_to_z) == ["z", "a.2", "a"]


@given(st.data())
def test_names_are_unique_and_kept(data: st.DataObject) -> None:
    ids = [f"r{n}" for n in range(8)]
    owners = {record: entry(data.draw(st.sampled_from(ids))) for record in ids[:6]}
    keys = data.draw(st.lists(st.integers(0, 3), min_size=8, max_size=8))
    groups = [
        [record for record, k in zip(ids, keys, strict=True) if k == key]
        for key in dict.fromkeys(keys)
    ]
    names = named(groups, owners)
    assert len(set(names)) == len(groups)
    for name, group in zip(names, groups, strict=True):
        borne = {owners[record].customer_id for record in group if record in owners}
        assert name in borne or borne <= set(names)
