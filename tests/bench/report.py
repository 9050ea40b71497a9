"""The tables: a line for each thing measured, a verdict for each gate."""

import sys
from dataclasses import dataclass, field


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@dataclass
class Gates:
    """What must hold, each said as it is judged; `hold` is False after the first that does not."""

    hold: bool = field(default=True)

    def judge(self, what: str, value: float, limit: float, unit: str, *, at_least: bool = False) -> None:
        passes = value >= limit if at_least else value <= limit
        self.hold &= passes
        side = "at least" if at_least else "at most"
        say(f"{'gate: ' + what:<46}{value:>10.3f} {unit:<4} {side} {limit:g} {unit:<4} {'pass' if passes else 'FAIL'}")


def heading(name: str) -> None:
    say(f"\n{name:<30}{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms/call':>13}{'of direct':>13}")


def line(name: str, figures: dict[str, float], direct: dict[str, float] | None = None) -> None:
    cpu = f"{figures['cpu_ms']:.3f}" if "cpu_ms" in figures else "–"
    share = f"{figures['per_second'] / direct['per_second']:.2f}" if direct else "–"
    say(
        f"{name:<30}{figures['per_second']:>10.0f}{figures['p50_ms']:>9.2f}{figures['p99_ms']:>9.2f}{cpu:>13}{share:>13}"
    )
