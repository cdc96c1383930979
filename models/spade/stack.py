"""A stack of label maps -> a stack of images, by one SPADE generator on one device.

Shape suffixes: N slices, B slices at a time, H height, W width, Z latent.
"""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial

import numpy as np
import torch
from torch import Tensor

from factory.models.spade.cuda_graph import CudaGraph
from factory.models.spade.neighbourhoods import LabelMaps, check_values
from factory.models.spade.network import STRIDE, Spade, SpadeGenerator, Tables, check_sides

BATCH = 8
"""Slices a forward pass. Fixed: convolutions differ in the last bits between batch sizes."""

ON_GPU = 16
"""Likewise on a GPU, which more slices keep busy. A guess: no card was at hand to measure it on."""

RUN = 32
"""Slices whose label maps are prepared together: their neighbourhoods recur, and their tables stay
small. No faster with more."""

TOLERANCE = {torch.float32: 0.02, torch.bfloat16: 0.2}
"""By how much the images of a GPU's two ways may differ: float32 is rounded to TF32 there."""


class SpadeStack:
    """A generator, ready for inference, that draws stacks.

    On a CPU by tables of neighbourhoods. On a GPU by convolutions, whose factors and offsets one
    kernel applies, all recorded as a CUDA graph for planes of one size; there labels and images
    pass through pinned memory, and nothing waits before the last slice is drawn.
    """

    def __init__(self, generator: SpadeGenerator, device: torch.device) -> None:
        self.generator, self.device = generator.to(device), device
        self.recorded: dict[torch.dtype, CudaGraph] = {}
        self.label_NHW: np.ndarray | None = None
        self.runs: list[LabelMaps] = []
        self.prepared: dict[torch.dtype, list[Tensor | Tables]] = {}
        if device.type != "cpu":  # what is wrong there is said before the work begins
            latent = generator.config.latent
            style = torch.zeros(1, latent) if latent else None
            self.draw(np.zeros((1, 2 * STRIDE, 2 * STRIDE), np.uint8), style)

    @torch.inference_mode()
    def draw(
        self, label_NHW: np.ndarray, style_NZ: Tensor | None = None, mixed_precision: bool = False
    ) -> np.ndarray:
        """Images float32 (N, H, W) in [-1, 1] of label maps of any integer type.

        style: one a slice, where the generator has a latent. mixed_precision: convolutions and what
        lies between them in bfloat16, the image's own layer in float32. Raises ValueError where a
        side is no multiple of STRIDE, or a label is not the generator's.
        """
        dtype = torch.bfloat16 if mixed_precision else torch.float32
        if style_NZ is not None:
            style_NZ = style_NZ.to(self.device)
        if self.device.type != "cpu":
            return self.by_convolutions(label_NHW, style_NZ, dtype)
        images = []
        with self._autocast(dtype):
            for run, maps in enumerate(self._maps(label_NHW)):
                labels = self._prepared(maps, dtype)
                for first in range(0, len(maps.label_BHW), BATCH):
                    of_these = [each[first : first + BATCH] for each in labels]
                    at = slice(run * RUN + first, min(first + BATCH, RUN) + run * RUN)
                    styles = None if style_NZ is None else style_NZ[at]
                    images.append(self.generator.draw(of_these, styles)[:, 0])
        return torch.cat(images).numpy()

    def _maps(self, label_NHW: np.ndarray) -> Iterable[LabelMaps]:
        """Runs of label maps. Where there are styles, the index of the last stack is kept."""
        labels, latent = self.generator.config.labels, self.generator.config.latent
        runs = torch.from_numpy(label_NHW).split(RUN)
        if not latent:
            return (LabelMaps(run, labels) for run in runs)
        if self.label_NHW is None or not np.array_equal(self.label_NHW, label_NHW):
            self.prepared.clear()
            self.label_NHW, self.runs = label_NHW, [LabelMaps(run, labels) for run in runs]
        return self.runs

    def _prepared(self, maps: LabelMaps, dtype: torch.dtype) -> list[Tensor | Tables]:
        """Of a stack of one run the tables are kept, too; those of a volume would be too large."""
        if len(self.runs) != 1:  # or none is kept
            return self.generator.prepare(maps)
        if dtype not in self.prepared:
            self.prepared[dtype] = self.generator.prepare(maps)
        return self.prepared[dtype]

    def _autocast(self, dtype: torch.dtype) -> torch.autocast:
        enabled = dtype == torch.bfloat16
        return torch.autocast(self.device.type, torch.bfloat16, enabled, cache_enabled=False)

    @torch.inference_mode()
    def by_convolutions(
        self, label_NHW: np.ndarray, style_NZ: Tensor | None, dtype: torch.dtype
    ) -> np.ndarray:
        """`draw`, as on a GPU. The last batch is filled with its last slice: all have one shape."""
        check_sides(torch.from_numpy(label_NHW))
        check_values(int(label_NHW.min()), int(label_NHW.max()), self.generator.config.labels)
        if dtype not in self.recorded:
            fast, plain = (partial(self._forward, dtype, fused) for fused in (True, False))
            self.recorded[dtype] = CudaGraph(fast, plain, TOLERANCE[dtype])
        label, image_NHW = torch.from_numpy(label_NHW), torch.empty(label_NHW.shape)
        with suppress(RuntimeError):  # no GPU, or no more memory that may be pinned
            label, image_NHW = label.pin_memory(), image_NHW.pin_memory()
        for start in range(0, len(label), ON_GPU):
            into = image_NHW[start : start + ON_GPU]
            inputs = [self._filled(label[start : start + ON_GPU])]
            if style_NZ is not None:
                inputs.append(self._filled(style_NZ[start : start + ON_GPU]))
            into.copy_(self.recorded[dtype](*inputs)[: len(into), 0], non_blocking=True)
        if self.device.type == "cuda":
            torch.cuda.current_stream().synchronize()
        return image_NHW.numpy()

    def _filled(self, some: Tensor) -> Tensor:
        """On the device, and as many as ON_GPU, the last of them repeated."""
        some = some.to(self.device, non_blocking=True)
        missing = ON_GPU - len(some)
        return torch.cat([some, some[-1:].expand(missing, *some.shape[1:])]) if missing else some

    def _forward(
        self, dtype: torch.dtype, fused: bool, label_BHW: Tensor, style_BZ: Tensor | None = None
    ) -> Tensor:
        """The generator by convolutions; by the kernel of factory.models.spade.triton_kernel, or
        without.
        """
        # Not by one_hot, which may look at the values and wait for the GPU.
        values_K = torch.arange(self.generator.config.labels, device=self.device)
        hot_BKHW = (label_BHW[..., None] == values_K).movedim(-1, 1).float()
        spades = [module for module in self.generator.modules() if isinstance(module, Spade)]
        for spade in spades:
            spade.fused = fused
        try:
            with self._autocast(dtype):
                return self.generator(hot_BKHW, style_BZ)
        finally:
            for spade in spades:
                spade.fused = False
