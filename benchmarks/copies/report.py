"""The results of the systems as Markdown tables.

print(markdown(read_systems(Path("copies-test"), Path("copies-calibration"), plan="fast")))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.copies.bootstrap import Ranking, interval, mean_share, samples, sources_of
from benchmarks.copies.edits import EDITS, FIELD_EDITS
from benchmarks.copies.judging import Judged
from benchmarks.copies.measured import OURS, Measured
from benchmarks.copies.metrics import Proportion, boundary_error, segment_score
from benchmarks.copies.tables import percent, share, spread, table
from benchmarks.copies.thresholds import RATES

Choice = Callable[[Judged], bool]


# -- which queries ---------------------------------------------------------------------------------


def is_copy(query: Judged) -> bool:
    """True for copies."""
    return query.entry.negative is None


def edited_by(*names: str) -> Choice:
    """Copies with a single edit out of these."""
    return lambda query: is_copy(query) and query.edit in names


def is_single(choice: Choice = is_copy) -> Choice:
    """Copies with a single edit, restricted by a choice."""
    return lambda query: is_copy(query) and query.edit is not None and choice(query)


def of_kind(negative: str) -> Choice:
    """Negatives of a kind."""
    return lambda query: query.entry.negative == negative


def is_negative(query: Judged) -> bool:
    """True for negatives."""
    return not is_copy(query)


def is_timed(query: Judged) -> bool:
    """True for copies that were inserted or cut."""
    return any(choice(query) for choice in TIMED.values())


def chain_of(length: int) -> Choice:
    """Copies with this number of edits."""
    return lambda query: is_copy(query) and len(query.entry.edits) == length


def is_mashup(query: Judged) -> bool:
    """Copies of parts of several videos, not edited."""
    return is_copy(query) and len(query.entry.edits) == 0


ASKED_FOR: dict[str, Choice] = {
    **{
        name: edited_by(name)
        for name in (
            "crop_65",
            "letterbox",
            "mirror",
            "rotate_10",
            "text_bar",
            "logo",
            "speed_1_5",
            "speed_0_67",
            "picture_in_picture_60",
            "side_by_side",
        )
    },
    "insert_into, insert_part": edited_by("insert_into", "insert_part"),
    "chains of 2": chain_of(2),
    "chains of 3": chain_of(3),
    "chains of 4": chain_of(4),
    "mashups": is_mashup,
}
TIMED: dict[str, Choice] = {
    "insert_into": edited_by("insert_into"),
    "insert_part": edited_by("insert_part"),
    "trim": edited_by("trim"),
    "mashups": is_mashup,
}


# -- tables ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gate:
    """A system at one threshold."""

    title: str
    judged: list[Judged]
    threshold: float

    def caught(self, choice: Choice) -> Proportion:
        """How many copies are caught."""
        found = [query.is_caught(self.threshold) for query in self.judged if choice(query)]
        return Proportion(sum(found), len(found))

    def accused(self, choice: Choice) -> Proportion:
        """How many queries are accused, rightly or not."""
        found = [query.is_accused(self.threshold) for query in self.judged if choice(query)]
        return Proportion(sum(found), len(found))

    def mean_over_edits(self, choice: Choice = is_copy) -> tuple[float, tuple[float, float]] | None:
        """Mean of the shares of each single edit, and its interval; None without such copies."""
        copies = [query for query in self.judged if is_single(choice)(query)]
        if not copies:
            return None
        names, places = sources_of(copies)
        caught = [query.is_caught(self.threshold) for query in copies]
        figure = mean_share([str(query.edit) for query in copies], caught, places)
        return figure(np.ones(len(names), np.int64)), interval(samples(figure, len(names)))


def gates(systems: Sequence[Measured]) -> list[Gate]:
    """Every system with its own threshold, if it has one, and calibrated to 1 %."""
    found = []
    for system in systems:
        if system.default is not None:
            found.append(Gate(f"{system.name}, as shipped", system.test, system.default))
        found.append(Gate(f"{system.name}, at 1 %", system.test, system.thresholds["normal"].score))
    return found


def threshold_table(systems: Sequence[Measured]) -> str:
    """Thresholds, and of how many negatives."""
    return table(
        ["system", "threshold", "score above", "negatives accused", "at most, %", "sources"],
        [
            [
                system.name,
                threshold.name,
                f"{threshold.score:.4f}",
                f"{threshold.accused.successes} of {threshold.accused.trials}",
                percent(threshold.accused.interval()[1]),
                str(threshold.sources),
            ]
            for system in systems
            for threshold in system.thresholds.values()
        ],
    )


def gate_table(systems: Sequence[Measured]) -> str:
    """Recall of the gate: means, the required values, and false positives."""
    columns = gates(systems)
    rows = []
    means: dict[str, Choice] = {
        "mean over single edits": is_copy,
        "… of real videos": lambda query: not query.entry.is_synthetic,
        "… of pans over pictures": lambda query: query.entry.is_synthetic,
    }
    for name, choice in means.items():
        figures = [gate.mean_over_edits(choice) for gate in columns]
        count = columns[0].caught(is_single(choice))
        shown = ["–" if figure is None else spread(*figure) for figure in figures]
        rows.append([name, str(count.trials), *shown])
    for name, choice in ASKED_FOR.items():
        rows.append(_gate_row(name, columns, choice))
    negatives = [gate.accused(is_negative) for gate in columns]
    rows.append(
        [
            "negatives accused",
            str(negatives[0].trials),
            *(share(negative) for negative in negatives),
        ]
    )
    return table(["copies", "n", *(gate.title for gate in columns)], rows)


def _gate_row(name: str, columns: Sequence[Gate], choice: Choice) -> list[str]:
    shares = [gate.caught(choice) for gate in columns]
    return [name, str(shares[0].trials), *(share(proportion) for proportion in shares)]


def edit_table(systems: Sequence[Measured]) -> str:
    """Recall of the gate for every single edit."""
    columns = gates(systems)
    asked = [name for name in FIELD_EDITS if columns[0].caught(edited_by(name)).trials]
    return table(
        ["edit", "n", *(gate.title for gate in columns)],
        [_gate_row(name, columns, edited_by(name)) for name in (*EDITS, *asked)],
    )


def ranking_table(systems: Sequence[Measured]) -> str:
    """micro-AP of each system, and vidseek's lead over the others."""
    rankings = {system.name: Ranking.of(system.test) for system in systems}
    sampled = {
        name: samples(ranking.micro_average_precision, ranking.sources)
        for name, ranking in rankings.items()
    }
    exact = {name: ranking.micro_average_precision() for name, ranking in rankings.items()}
    rows = [[name, spread(exact[name], interval(sampled[name]))] for name in rankings]
    for name in [name for name in rankings if name != OURS]:
        # The same sources are drawn for both.
        ahead = interval(sampled[OURS] - sampled[name])
        rows.append([f"{OURS} minus {name}", spread(exact[OURS] - exact[name], ahead)])
    return table(["system", "micro-AP, %"], rows)


def segment_table(systems: Sequence[Measured]) -> str:
    """Seconds that were found, of copies that were inserted or cut."""
    rows = []
    choices = {
        **TIMED,
        "all of these": is_timed,
    }
    for name, choice in choices.items():
        for system in systems:
            threshold = system.thresholds["normal"].score
            queries = [query for query in system.test if choice(query)]
            pairs = [pair for query in queries for pair in query.pairs(threshold)]
            if not pairs:
                continue
            score, error = segment_score(pairs), boundary_error(pairs)
            rows.append(
                [
                    name,
                    system.name,
                    str(len(queries)),
                    *(percent(figure) for figure in (score.f1, score.precision, score.recall)),
                    f"{error.median_seconds:.2f}",
                    f"{error.ninetieth_seconds:.2f}",
                    share(error.found),
                ]
            )
    head = ["copies", "system", "n", "F1, %", "precision", "recall"]
    return table(
        [*head, "boundary error, median, s", "90th percentile", "stretches found, %"], rows
    )


def mirror_table(systems: Sequence[Measured]) -> str:
    """Mirroring reported for copies that show a single stretch, by their best match."""
    rows = []
    for system in systems:
        if system.name != OURS or system.default is None:
            continue
        said: Counter[tuple[bool, bool]] = Counter()
        for query in system.test:
            if len(query.entry.segments) == 1:
                (segment,) = query.entry.segments
                right = [match for match in query.answer.matches if match.source == segment.source]
                best = max(right, key=lambda found: found.score, default=None)
                if best is not None and best.score > system.default:
                    said[segment.mirrored, best.mirrored] += 1
        for is_mirrored, name in ((False, "unmirrored"), (True, "mirrored")):
            rows.append([name, *(str(said[is_mirrored, answer]) for answer in (False, True))])
    return table(["copies", "reported as unmirrored", "reported as mirrored"], rows)


def negative_table(systems: Sequence[Measured]) -> str:
    """False accusations by kind of negative, at each threshold."""
    columns = [
        Gate(f"{system.name}, {name}", system.test, system.thresholds[name].score)
        for system in systems
        for name in RATES
    ]
    columns += [
        Gate(f"{system.name}, as shipped", system.test, system.default)
        for system in systems
        if system.default is not None
    ]
    kinds = sorted({str(query.entry.negative) for query in systems[0].test if not is_copy(query)})
    rows = []
    for kind in kinds:
        shares = [gate.accused(of_kind(kind)) for gate in columns]
        rows.append([kind, str(shares[0].trials), *(share(proportion) for proportion in shares)])
    return table(["negatives", "n", *(gate.title for gate in columns)], rows)


def time_table(systems: Sequence[Measured]) -> str:
    """Seconds a query."""
    rows = []
    for system in systems:
        seconds = [query.answer.seconds for query in system.test]
        failed = sum(query.answer.failure is not None for query in system.test)
        middle, most = np.quantile(seconds, [0.5, 0.95])
        rows.append([system.name, str(len(seconds)), f"{middle:.2f}", f"{most:.2f}", str(failed)])
    return table(["system", "queries", "median, s", "95th percentile, s", "unreadable"], rows)


def markdown(systems: Sequence[Measured]) -> str:
    """The whole report."""
    parts = {
        "Thresholds": threshold_table,
        "Copies caught": gate_table,
        "Ranking": ranking_table,
        "Seconds found": segment_table,
        "Mirroring": mirror_table,
        "False accusations": negative_table,
        "Time": time_table,
        "Every edit": edit_table,
    }
    notes = {
        "Copies caught": "Per cent, with 95 % intervals: Wilson's for shares, a bootstrap over "
        "sources for means. A copy is caught if the library video that scores best is one that the "
        'copy shows, and its score is above the threshold. "At 1 %" is the threshold at which 1 % '
        "of the negatives of other sources are accused.\n",
        "Seconds found": "Of matches that score above the normal threshold. vPDQ's stretches run "
        "from the first matched frame to the last.\n",
        "Mirroring": "vidseek as shipped, on copies that show one stretch of one video.\n",
    }
    return "\n".join(
        f"## {title}\n\n{notes.get(title, '')}{chr(10) if title in notes else ''}{make(systems)}"
        for title, make in parts.items()
    )
