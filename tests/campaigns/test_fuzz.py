"""Five hundred mutated recipes; `make fuzz N=20000` runs more."""

from campaigns import fuzz


def test_mutated_recipes_are_made_or_refused_in_one_line(monkeypatch) -> None:
    monkeypatch.chdir(fuzz.ROOT)
    _, counts = fuzz.run(0, 500, "")
    assert sum(counts.values()) == 500
    assert min(counts["made"], counts["refused"]) > 50, "mutations all of one kind test little"


def test_a_stopped_run_goes_on_to_the_same_digest(monkeypatch) -> None:
    monkeypatch.chdir(fuzz.ROOT)
    whole, _ = fuzz.run(0, 12, "")
    half, _ = fuzz.run(0, 5, "")
    assert fuzz.run(5, 12, half)[0] == whole
