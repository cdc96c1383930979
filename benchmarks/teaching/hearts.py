"""Protocol 2: hearts of one vendor teach a segmenter that is tested on those of another.

    python -m benchmarks.teaching.hearts OUTPUT --data ../shared/data [--steps 1500] [--seeds 3]

Trained on Philips people, tested on Siemens people, five of whom leave the test: a contrast is
fitted to them, and they are added as real ones in the rival row. Rows: real alone; with random
contrast; with the fitted contrast; with the five real people; with all. Every row has the same
steps. Finished rows are kept in OUTPUT; the same command goes on. Printed: mean Dice and its
spread over the seeds.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

import factory
from factory.execution.options import RenderOptions, RunOptions
from factory.torch import PatchDataset, PatchLoader

SPACING_MM, FITTED_PEOPLE, PATCH, BATCH = 1.5, 5, 96, 8
STRUCTURES = ("lv_pool", "myocardium", "rv")

RECIPE = """
seed: {seed}
subjects:
  short_axis: {{path: {data}, participants: [{people}]}}
{more}
output: {{path: {output}, spacing_mm: {spacing}}}
"""

RANDOM = """
appearance:
  contrast: {{preset: random, layers: {{background: {{count: 4, by: image, spread: 1}}}}}}
replicates: {replicates}
"""

FITTED = """
appearance:
  contrast:
    fitted: {fitted}
    layers: {{background: {{count: 4, by: image, spread: 0.5}}}}
replicates: {replicates}
"""

ROWS = {
    "real alone": ("real",),
    "with random contrast": ("real", "random"),
    "with fitted contrast": ("real", "fitted"),
    "with five real": ("real", "five"),
    "with all": ("real", "random", "fitted", "five"),
}
"""The datasets of each row; the batches take the same share of each."""


class SliceUNet(nn.Module):
    """A small 2D U-Net: [b, 1, y, x] to logits [b, 4, y, x]."""

    def __init__(self, width: int = 16, levels: int = 4) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        sources = [1, *widths[:-1]]
        self.down = nn.ModuleList(self._block(a, b) for a, b in zip(sources, widths, strict=True))
        self.up = nn.ModuleList(self._block(a + b, a) for a, b in zip(widths, widths[1:]))  # noqa: B905, RUF007
        self.out = nn.Conv2d(width, len(STRUCTURES) + 1, 1)

    @staticmethod
    def _block(channels: int, out: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for source in (channels, out):
            layers += [nn.Conv2d(source, out, 3, padding=1), nn.InstanceNorm2d(out, affine=True)]
            layers += [nn.LeakyReLU(0.01)]
        return nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        skips = []
        for level, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for level in reversed(range(len(self.up))):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = self.up[level](torch.cat([skips[level], x], 1))
        return self.out(x)


def list_people(data: Path, vendor: str) -> list[str]:
    """Return the people of a vendor who have label maps, in alphabetical order."""
    table = pd.read_csv(data / "participants.csv")
    people = table.loc[table["VendorName"] == vendor, "External code"]
    return sorted(person for person in people if (data / person).is_dir())


def render_stacks(
    output: Path, name: str, people: Iterable[str], data: Path, more: str, seed: int = 1
) -> str:
    """Render a dataset of some people unless it is there, and return its path."""
    path, recipe = output / f"{name}.zarr", output / f"{name}.yaml"
    text = RECIPE.format(
        seed=seed, data=data, people=", ".join(people), more=more, output=path, spacing=SPACING_MM
    )
    recipe.write_text(text)
    options = RenderOptions(run=RunOptions(serial=True, progress=False))
    factory.render(factory.load_recipe(recipe), options=options)
    return str(path)


def train(datasets: list[str], steps: int, seed: int) -> SliceUNet:
    """Train on slices of datasets, the same share of each."""
    torch.manual_seed(seed)
    network = SliceUNet()
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    patches = PatchDataset(
        datasets,
        (1, PATCH, PATCH),
        length=steps * BATCH,
        seed=seed,
        foreground=0.9,
        shares=[1.0] * len(datasets),
    )
    for batch in PatchLoader(patches, BATCH):
        image, label = batch["image"][:, :, 0], batch["label"][:, 0, 0].long()
        logits = network(normalise_slices(image))
        one_hot = F.one_hot(label, logits.shape[1]).movedim(-1, 1).float()
        predicted = logits.softmax(1)
        both = 2 * (predicted * one_hot).sum((0, 2, 3)) + 1
        dice = both / (predicted.sum((0, 2, 3)) + one_hot.sum((0, 2, 3)) + 1)
        loss = F.cross_entropy(logits, label) + 1 - dice[1:].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay.step()
    return network


def normalise_slices(image: torch.Tensor) -> torch.Tensor:
    """Return slices [b, 1, y, x] with mean 0 and standard deviation 1, each."""
    mean, sd = image.mean((1, 2, 3), keepdim=True), image.std((1, 2, 3), keepdim=True)
    return (image - mean) / sd.clamp_min(1e-3)


@torch.no_grad()
def test(network: SliceUNet, path: str) -> list[float]:
    """Return the mean Dice of the three structures for each stack of a dataset."""
    network.eval()
    scores = []
    dataset = factory.open(path)
    for position in range(len(dataset)):
        arrays = dataset[position].arrays
        image = torch.from_numpy(np.asarray(arrays["image"], np.float32))[:, None]
        predicted = network(normalise_slices(image)).argmax(1).numpy()
        dice = []
        for value in range(1, len(STRUCTURES) + 1):
            a, b = predicted == value, arrays["label"] == value
            dice.append(2 * (a & b).sum() / max(1, a.sum() + b.sum()))
        scores.append(float(np.mean(dice)))
    return scores


def make_datasets(output: Path, data: Path, replicates: int) -> dict[str, str]:
    """Render or import everything that the rows need, and return the paths."""
    from factory.families.contrast.fit_file import write_fit

    philips, siemens = list_people(data, "Philips"), list_people(data, "Siemens")
    five, tested = siemens[:FITTED_PEOPLE], siemens[FITTED_PEOPLE:]
    folder = output / "five"
    folder.mkdir(exist_ok=True)
    for person in five:
        link = folder / person
        if not link.exists():
            link.symlink_to(data / person)
    fitted = output / "siemens.yaml"
    labels, images = "{subject}/*_ED_sa_gt.nii.gz", "{subject}/*_ED_sa.nii.gz"
    write_fit(str(folder), labels, images, "mnms", None, str(fitted))
    original, count = "appearance: original", {"replicates": replicates}
    return {
        "real": render_stacks(output, "real", philips, data, original),
        "five": render_stacks(output, "five-real", five, data, original),
        "test": render_stacks(output, "test", tested, data, original),
        "random": render_stacks(output, "random", philips, data, RANDOM.format(**count)),
        "fitted": render_stacks(
            output, "fitted", philips, data, FITTED.format(fitted=fitted, **count)
        ),
    }


def main() -> None:
    """Render, train every row with every seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--replicates", type=int, default=4)
    arguments = parser.parse_args()
    output = arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    data = (arguments.data / "cardiac-mnms").resolve()
    paths = make_datasets(output, data, arguments.replicates)
    for row, names in ROWS.items():
        means = []
        for seed in range(arguments.seeds):
            file = output / f"{row.replace(' ', '-')}-{arguments.steps}-{seed}.json"
            if not file.exists():
                network = train([paths[name] for name in names], arguments.steps, seed)
                file.write_text(json.dumps(test(network, paths["test"])))
            means.append(float(np.mean(json.loads(file.read_text()))))
        spread = np.std(means, ddof=1) if len(means) > 1 else float("nan")
        print(f"{row:22} mean Dice {np.mean(means):.3f}, between seeds {spread:.3f}", flush=True)


if __name__ == "__main__":
    main()
