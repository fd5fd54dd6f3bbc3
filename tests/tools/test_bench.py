"""The benchmarks run and say what they found. What they measure is nobody's business here."""

import json

import pytest

from tools.bench import report
from tools.bench.__main__ import BENCHMARKS, main
from tools.bench.measure import Scale, Settings, Skipped, Yardstick, race, row_of

TINY = Settings(rounds=1, tiny=True)


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda benchmark: benchmark.name)
def test_every_benchmark_runs_at_a_tiny_size(benchmark):
    try:
        rows = benchmark.run(TINY)
    except Skipped as reason:
        pytest.skip(str(reason))
    assert rows
    for row in rows:
        assert row.low <= row.figure <= row.high
        assert row.work in report.line(row)


def test_the_table_is_printed_and_written(tmp_path, capsys):
    file = tmp_path / "figures.json"
    assert main(["mailbox", "langgraph", "--tiny", "--json", str(file)]) == 0
    printed, written = capsys.readouterr().out, json.loads(file.read_text())
    assert report.header() in printed
    assert "mailbox: offer, lease, ack" in printed
    assert "langgraph: skipped" in printed
    assert [row["work"] for row in written["rows"]] == ["mailbox: offer, lease, ack"]
    assert list(written["skipped"]) == ["langgraph"]


def test_a_list_names_all_and_runs_none(capsys):
    assert main(["--list", "--long"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [benchmark.name for benchmark in BENCHMARKS]


def test_an_exact_name_selects_one_and_a_part_of_a_name_several(capsys):
    main(["--list", "stream"])
    assert len(capsys.readouterr().out.splitlines()) == 1
    main(["--list", "strea"])
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_an_unknown_name_is_an_error(capsys):
    assert main(["no-such-benchmark"]) == 2
    assert "no-such-benchmark" in capsys.readouterr().err


def test_sides_take_turns_and_are_compared_round_by_round():
    turns = []

    def side(name, times):
        left = iter(times)

        def go():
            turns.append(name)
            return next(left)

        return go

    ours, other = side("ours", [9, 1, 8, 3]), side("other", [9, 2, 2, 2])
    (row,) = race(Settings(rounds=3), "work", "s", ours, Yardstick("other", other, target=1.6))
    assert turns == ["ours", "other"] * 4  # the first go of each is not counted
    assert (row.figure, row.low, row.high) == (1.5, 0.5, 4.0)
    assert row.met


@pytest.mark.parametrize(("scale", "figure"), [(Scale.RATIO, 1.25), (Scale.EXTRA, 0.5e6), (Scale.PERCENT, 25.0), (Scale.ALONE, 2.5e6)])
def test_the_scale_says_what_two_times_make(scale, figure):
    assert row_of("work", "us/hop", [2.5], against="it", others=[2.0], scale=scale).figure == figure
