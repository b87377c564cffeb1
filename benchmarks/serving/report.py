"""The tables of docs/serving.md and the README's sentence, from the kept figures.

    python -m benchmarks.serving.report
"""

import json
import textwrap
from pathlib import Path
from typing import Any

from benchmarks.marks import between

RESULTS = Path("benchmarks/results")
DOCUMENT = Path("docs/serving.md")
README = Path("README.md")
NAMES = {
    "ours": "Crux, by HTTP",
    "forward": "batches of 16, padded, whole prompt",
    "generate": "one `generate` a task",
    "llama": "llama.cpp's server, asked by Crux",
    "vllm": "vLLM's server, asked by Crux",
}
Json = dict[str, Any]


def serving(kept: Json) -> str:
    """Return what benchmarks.serving measured, as Markdown."""
    speed, low = kept["texts_a_second"], kept["floor_texts_a_second"]
    lines = [
        "| texts a second | policy of 20 tokens | policy of 600 tokens |",
        "|---|---|---|",
        f"| the floor: multiply-adds at {kept['gflop_a_second']} GFLOP/s | {low['short']:.1f} | "
        f"{low['long']:.1f} |",
    ]
    for key, name in NAMES.items():
        if f"{key} short" in speed:
            both = (f"{speed[f'{key} {policy}']:.1f}" for policy in ("short", "long"))
            lines.append(f"| {name} | {' | '.join(both)} |")
    swap = kept["swap"]
    rows = [
        ("bulk against the floor, 20 tokens of policy", kept["bulk_over_floor"], "0.75"),
        ("the same, 600 tokens", kept["bulk_over_floor_long_policy"], "0.75"),
        ("bulk against the floor at torch's own rate, 20 tokens",
         kept["bulk_over_floor_at_torchs_rate"], "–"),
        ("the same, 600 tokens", kept["bulk_over_floor_at_torchs_rate_long_policy"], "–"),
        ("bulk against one `generate` a task", f"{kept['bulk_over_generate']}x", "10x"),
        ("the same, 600 tokens", f"{kept['bulk_over_generate_long_policy']}x", "10x"),
        ("bulk against llama.cpp's server", f"{kept['bulk_over_llama']}x", "–"),
        ("the same, 600 tokens", f"{kept['bulk_over_llama_long_policy']}x", "–"),
        ("bulk against vLLM's server", f"{kept['bulk_over_vllm']}x", "–"),
        ("the same, 600 tokens", f"{kept['bulk_over_vllm_long_policy']}x", "–"),
        ("bulk against plain padded batches", f"{kept['bulk_over_plain']}x", "–"),
        ("the same, 600 tokens", f"{kept['bulk_over_plain_long_policy']}x", "–"),
        ("time a text, 600 tokens of policy against 20", kept["long_policy_over_short"], "1.15"),
        ("8 annotators together against the bulk, tokens a second", kept["eight_over_bulk"], "0.8"),
        ("a single short task, p50", f"{kept['single_p50_s']} s", "–"),
        ("a single short task, p95", f"{kept['single_p95_s']} s", "0.3 s"),
        ("/health, /setup, /webhook in a bulk beside a training, p99",
         f"{kept['control_p99_s']} s", "0.05 s"),
        ("first answer after a start", f"{kept['first_answer_s']} s", "–"),
        ("first answer of a promoted version, under load",
         f"{swap['seconds_to_the_first_answer']} s", "–"),
        ("requests dropped in three promotions under load",
         f"{swap['asked'] - swap['answered']} of {swap['asked']}", "0"),
        ("answers of another version than they name",
         swap["answers_of_another_version_than_named"], "0"),
        ("most memory of the serving processes", f"{kept['peak_rss_gib']} GiB", "–"),
    ]  # fmt: skip
    lines += ["", "| | measured | asked |", "|---|---|---|"]
    lines += [f"| {name} | {value} | {asked} |" for name, value, asked in rows]
    lines += ["", "| under load | asked | p50 | p99 | slowest |", "|---|---|---|---|---|"]
    lines += [
        f"| {path} | {one['asked']} | {one['p50']} s | {one['p99']} s | {one['p100']} s |"
        for path, one in kept["control"].items()
    ]
    return "\n".join(lines)


def training(kept: Json) -> str:
    """Return what benchmarks.serving.training measured, as Markdown."""
    lines = ["| | Crux | transformers' Trainer with peft |", "|---|---|---|"]
    for key, name in (
        ("seconds", "seconds"),
        ("steps", "steps"),
        ("kappa", f"kappa on {kept['test_texts']} texts"),
        ("auc", "AUC there"),
        ("peak_rss_gib", "most memory, GiB"),
    ):
        lines.append(f"| {name} | {kept[f'{key}_ours']} | {kept[f'{key}_trainer']} |")
    for key, name in (("floor", "share of the floor"),
                      ("floor_at_torchs_rate", "the same at torch's own rate")):  # fmt: skip
        lines.append(f"| {name} | {kept[f'{key}_over_ours']} | {kept[f'{key}_over_trainer']} |")
    return "\n".join(lines)


def claim(served: Json, trained: Json) -> str:
    """Return the README's sentence."""
    return (
        f"On two cores a bulk of texts is read at {100 * served['bulk_over_floor']:.0f} % of what "
        f"the machine's matrix products allow, {served['bulk_over_generate']:.0f} times as fast as "
        f"with one `generate` a task ({served['bulk_over_generate_long_policy']:.0f} times with a "
        f"policy of 600 tokens); eight annotators at once get "
        f"{100 * served['eight_over_bulk']:.0f} % of that together, a single short task is "
        f"answered in {served['single_p95_s']} s (p95), and training takes "
        f"1/{trained['trainer_over_ours_seconds']:.1f} of the time of transformers' Trainer at "
        f"kappa {trained['kappa_ours']:.2f} against {trained['kappa_trainer']:.2f}."
    )


def read() -> tuple[Json, Json]:
    """Return the figures of serving and of training."""
    served, trained = (
        json.loads((RESULTS / f"{name}.json").read_text()) for name in ("serving", "training")
    )
    return served, trained


def written(document: str, served: Json, trained: Json) -> str:
    """Return docs/serving.md with its tables."""
    return between(between(document, "serving", serving(served)), "training", training(trained))


def readme(text: str, served: Json, trained: Json) -> str:
    """Return the README with its sentence."""
    return between(text, "speed", textwrap.fill(claim(served, trained), 100))


def main() -> None:
    """Write the tables into docs/serving.md and the sentence into the README."""
    figures = read()
    DOCUMENT.write_text(written(DOCUMENT.read_text(), *figures))
    README.write_text(readme(README.read_text(), *figures))


if __name__ == "__main__":
    main()
