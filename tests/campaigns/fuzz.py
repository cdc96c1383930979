"""Mutated recipes: each loads and plans, or is refused in one line. Never a traceback.

python tests/campaigns/fuzz.py 20000        goes on where it was stopped, and ends with one digest

Mutation i is a function of i alone, and the digest is a chain over what came of each: the same
number, code and recipes give the same digest, wherever it was stopped between.
"""

import argparse
import collections
import hashlib
import itertools
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
from campaigns.code_version import code_version
from support.places import ROOT

from factory.config.loading import parse_document
from factory.errors import FactoryError
from factory.planning.cases import count_cases, iterate_cases
from factory.planning.explain import explain_recipe
from factory.planning.plan import layout_of
from factory.schema.render_recipe import RenderRecipe
from factory.storage.errors import StorageError

LANGUAGE = """\
seed: 3
subjects:
  phantom: {count: 5, gestational_age_weeks: {zip: [22, 26, 30]}}
anatomy:
  - dilate_ventricles:
      grade: {choice: {0: 0.7, 2: 0.3}}
      grades_mm: {0: 0, 2: 3}
      into: [white_matter, deep_grey_matter]
    when: 24 <= gestational_age_weeks < 28 or not replicate == 0
  - cortical_thinning: {thickness_mm: {uniform: [1, 1.5]}, gains: white_matter}
  - external_csf: {wider_mm: 2}
  - deform:
      warp_mm: 1
      rotation_degrees: [{uniform: [-10, 10]}, 0, {choice: {-5: 1, 5: 2}}]
      scale: [1, {normal: {mean: 1, sd: 0.1, min: 0.8, max: 1.2}}, 1]
      flip: {choice: [true, false]}
  - ventriculomegaly:
      atrial_width_mm: 9
      mode: {choice: [dilate, displace]}
      side: {each: [left, right]}
  - lesion: {name: cyst, inside: [white_matter], volume_ml: 1, number: {choice: [1, 3]}}
groups:
  severe:
    share: 30 %
    anatomy:
      - dilate_ventricles:
          radius_mm: {lognormal: {median: 3, spread: 1.4, min: 1, max: 9}, count: 2}
          into: [white_matter]
        when: grade > 0
  mild:
    share: 20%
    anatomy:
      - dilate_ventricles: {radius_mm: {range: [1, 2, 0.5]}, into: [white_matter]}
      - dilate_ventricles: {radius_mm: {zip: [0, 1, 2]}, into: [grey_matter]}
  none: {share: 50}
appearance: {model: fetal-spade, fuse: {reject_outliers: {m: 0.5}}}
replicates: 2
output: {path: rich.zarr, spacing_mm: 0.8, shape: auto, range: [0, 1.2], samples_per_shard: 3}
"""
RICH = f"""\
{LANGUAGE}acquisition:
  scanner: 3T-haste
  labels: stack
  stacks: {{orientations: [axial, axial, sagittal], thickness_mm: {{uniform: [2, 4]}}, gap_mm: 0.5}}
  noise: {{snr: {{choice: [8, 20]}}}}
  bias_field: {{order: {{choice: [2, 3]}}, strength: 0.4}}
  voids: null
  contrast: 1.2
"""
ODD = (
    "", "null", "-1", "0", "1e9", "1e-300", "-0.0", "1e400", ".inf", "[]", "{}", "{each: 3}", "~",
    "[1, [2]]", "é", "'", '"', "*a", "&a", "!!x", "!!python/name:os.system", "{normal: 3}", "%",
    "{choice: {a: b}}", "9" * 30, "\t", "|", ">", "? ", "{{}: 1}", "{value}", "@", "3mm", "12 cm",
    "28 weeks", "100 %", "-5 %", "{zip: [1]}", "{zip: []}", "{range: [0, 9, 1e-7]}", "true",
    "{range: [3, 1, 1]}", "{range: [0, 3]}", "{uniform: [0, 1], count: 99999999}", "{count: 3}",
    "{uniform: [1, 2], each: [1]}", "{lognormal: {median: 0, spread: 2, min: 0, max: 1}}",
    "{choice: {1: 0}}", "gestational_age_weeks < 28", "grade > radius_mm", "__import__('os')",
    "1 < 2 < 3", "not not x", "(" * 150, "x if y else z", "lambda: 0", "a.b < 3", "1e999 > 0",
    "include: clinic.yaml", "include: ../x.yaml", "include: [a.yaml, {}]", "\x00", "\ud7ff", "\x85",
    "{uniform: [1, 2], count: 3}", "{each: [0, 1, 2]}", "{normal: {mean: 2, sd: 1, min: 0}}",
    "scanner: 3T-haste", "scanner: 3T", "acquisition: {}", "stacks: {}", "1.5T-haste", "gamma: 3",
    "{a: {a: 1}}", "<<: *a", "- ", "  ", ": ", "#", "2021-01-01", "0x1F", "0o17", "1_000",
)  # fmt: skip

NUMBERS = ("0", "1", "2", "3", "4", "7", "15", "21", "25", "28", "30", "34", "50", "0.5", "1.5")


def bases() -> list[str]:
    """The recipes that ship, and one that uses the whole language."""
    files = sorted((ROOT / "recipes").glob("*.yaml"))
    return [RICH, RICH, *(file.read_text(encoding="utf-8") for file in files)]


def mutated(index: int, texts: list[str]) -> str:
    """The mutation of a number: one to four changes to one of the recipes."""
    rng = np.random.Generator(np.random.Philox(key=index))

    def below(n: int) -> int:
        return int(rng.integers(max(n, 1)))

    lines = texts[below(len(texts))].splitlines()
    for _ in range(1 + below(1 + below(4))):
        at = below(len(lines))
        line = lines[at] if lines else ""
        cut, odd = below(len(line) + 1), ODD[below(len(ODD))]
        other = texts[below(len(texts))].splitlines()
        match below(14):
            case 0:
                lines[at : at + 1] = [line[:cut] + odd + line[cut:]]
            case 1:
                lines[at : at + 1] = [line[:cut]]
            case 2:
                lines[at : at + 1] = [line.partition(":")[0] + ": " + odd]
            case 3:
                lines.insert(at, other[below(len(other))])
            case 4:
                lines[at : at + 1] = [line[: max(cut - 1, 0)] + line[cut:]]
            case 5:
                lines[at : at + 1] = [line.rpartition(": ")[0] + ": " + odd]
            case 6:
                lines[at : at + 1] = [" " * below(9) + line.lstrip()]
            case 7:
                del lines[at : at + 1 + below(3)]
            case 8:
                words = line.split(" ")
                words[below(len(words))] = odd
                lines[at : at + 1] = [" ".join(words)]
            case _:  # the milder half: another number
                numbers = list(re.finditer(r"[0-9.]+", line))
                if numbers:
                    found = numbers[below(len(numbers))]
                    new = NUMBERS[below(len(NUMBERS))]
                    lines[at : at + 1] = [line[: found.start()] + new + line[found.end() :]]
    return "\n".join(lines)


def outcome(text: str) -> str:
    """ "made …" or "refused …", one line. Whatever else is raised is a mistake of ours."""
    try:
        recipe = parse_document(text, "recipes/fuzz.yaml", RenderRecipe)
        first = [case.to_json() for case in itertools.islice(iterate_cases(recipe), 3)]
        shapes = json.dumps(layout_of(recipe).to_json())
        words = [str(count_cases(recipe)), *explain_recipe(recipe), *first, shapes]
        said = f"made {recipe.digest} {hashlib.sha256(json.dumps(words).encode()).hexdigest()}"
        again = parse_document(recipe.text(), "again.yaml", RenderRecipe, ["output.path=x.zarr"])
        assert again.digest == recipe.digest, "the recipe that a dataset keeps is another"
    except (FactoryError, StorageError) as error:
        said = f"refused {error}"
    assert len(said.splitlines()) == 1, said
    return said


def run(start: int, stop: int, digest: str) -> tuple[str, collections.Counter[str]]:
    """The chained digest after mutations start to stop, and how many were made and refused."""
    texts, counts = bases(), collections.Counter[str]()
    for index in range(start, stop):
        text = mutated(index, texts)
        try:
            said = outcome(text)
        except Exception:
            print(f"mutation {index}:\n{text}", file=sys.stderr)
            raise
        counts[said.split()[0]] += 1
        line = (digest + said).encode("utf-8", "backslashreplace")
        digest = hashlib.sha256(line).hexdigest()
    return digest, counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int)
    parser.add_argument("--state", type=Path, default=ROOT / ".fuzz.json")
    options = parser.parse_args()
    os.chdir(ROOT)
    # code or recipes that have changed begin anew
    version = code_version(ROOT, ROOT.glob("recipes/**/*.yaml"))
    state = {"version": version, "done": 0, "digest": "", "made": 0, "refused": 0}
    if options.state.exists():
        before = json.loads(options.state.read_text())
        if before["version"] == version and before["done"] <= options.number:
            state = before
    while state["done"] < options.number:
        stop = min(state["done"] + 200, options.number)
        state["digest"], counts = run(state["done"], stop, state["digest"])
        state |= {"done": stop, **{k: state[k] + counts[k] for k in ("made", "refused")}}
        whole = options.state.with_suffix(".part")
        whole.write_text(json.dumps(state))
        whole.replace(options.state)
    print(
        f"{state['done']} mutated recipes: {state['made']} made, {state['refused']} refused in one "
        f"line, no traceback; digest {state['digest']}"
    )


if __name__ == "__main__":
    main()
