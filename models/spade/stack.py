"""From a stack of label maps to a stack of images, by one SPADE generator on one device.

Shape suffixes: N slices, B slices at a time, I channels, H height, W width, Z latent.
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
"""Slices of a forward pass. Fixed: convolutions differ in the last bits between batch sizes."""

ON_GPU = 16
"""Slices of a forward pass on a GPU. Fixed, too; not tuned by measurements."""

RUN = 32
"""Slices whose label maps are prepared together: neighbourhoods recur, and tables stay small. More
are no faster."""

TOLERANCE = {torch.float32: 0.02, torch.bfloat16: 0.2}
"""The largest difference between fast and plain images on a GPU, which rounds float32 to TF32."""


class SpadeStack:
    """A generator, ready for inference, that draws stacks.

    On a CPU it uses tables of neighbourhoods. On a GPU it uses convolutions, whose factors and
    offsets are applied by one kernel; all of it is recorded as a CUDA graph for planes of one size.
    There labels and images pass through pinned memory, and the CPU waits only for the last slice.
    """

    def __init__(self, generator: SpadeGenerator, device: torch.device) -> None:
        """Move the generator to the device; on a GPU draw a plane, so that errors show at once."""
        self.generator, self.device = generator.to(device), device
        self.recorded: dict[torch.dtype, CudaGraph] = {}
        self.label_NHW: np.ndarray | None = None
        self.runs: list[LabelMaps] = []
        self.prepared: dict[torch.dtype, list[Tensor | Tables]] = {}
        if device.type != "cpu":
            latent = generator.config.latent
            style = torch.zeros(1, latent) if latent else None
            self.draw(np.zeros((1, 2 * STRIDE, 2 * STRIDE), np.uint8), style)

    @torch.inference_mode()
    def draw(
        self, label_NHW: np.ndarray, style_NZ: Tensor | None = None, mixed_precision: bool = False
    ) -> np.ndarray:
        """Draw images of label maps.

        Args:
            label_NHW: Label maps of any integer type.
            style_NZ: A style code for each slice, if the generator has a latent.
            mixed_precision: Whether all but the last layer compute in bfloat16.

        Returns:
            float32 (N, H, W) in [-1, 1], or (N, I, H, W) if the generator draws I channels.

        Raises:
            ValueError: A side is no multiple of STRIDE, or the generator does not know a label.
        """
        dtype = torch.bfloat16 if mixed_precision else torch.float32
        if label_NHW.dtype == np.uint16:  # torch has hardly any operations for it
            label_NHW = label_NHW.astype(np.int32)
        if style_NZ is not None:
            style_NZ = style_NZ.to(self.device)
        if self.device.type != "cpu":
            return self.draw_by_convolutions(label_NHW, style_NZ, dtype)
        images = []
        with self._autocast(dtype):
            for run, maps in enumerate(self._label_maps(label_NHW)):
                labels = self._prepare(maps, dtype)
                for first in range(0, len(maps.label_BHW), BATCH):
                    batch = [entry[first : first + BATCH] for entry in labels]
                    rows = slice(run * RUN + first, min(first + BATCH, RUN) + run * RUN)
                    styles = None if style_NZ is None else style_NZ[rows]
                    images.append(self.generator.draw(batch, styles))
        return self._without_channel(torch.cat(images)).numpy()

    def _without_channel(self, image_NIHW: Tensor) -> Tensor:
        """Return images without the axis of channels if the generator draws one."""
        return image_NIHW[:, 0] if self.generator.config.channels == 1 else image_NIHW

    def _label_maps(self, label_NHW: np.ndarray) -> Iterable[LabelMaps]:
        """Return runs of label maps; with styles, those of the last stack are cached."""
        labels, latent = self.generator.config.labels, self.generator.config.latent
        runs = torch.from_numpy(label_NHW).split(RUN)
        if not latent:
            return (LabelMaps(run, labels) for run in runs)
        if self.label_NHW is None or not np.array_equal(self.label_NHW, label_NHW):
            self.prepared.clear()
            self.label_NHW, self.runs = label_NHW, [LabelMaps(run, labels) for run in runs]
        return self.runs

    def _prepare(self, maps: LabelMaps, dtype: torch.dtype) -> list[Tensor | Tables]:
        """Prepare label maps; a cached stack of one run has its tables cached, too.

        The tables of a whole volume would be too large.
        """
        if len(self.runs) != 1:
            return self.generator.prepare(maps)
        if dtype not in self.prepared:
            self.prepared[dtype] = self.generator.prepare(maps)
        return self.prepared[dtype]

    def _autocast(self, dtype: torch.dtype) -> torch.autocast:
        enabled = dtype == torch.bfloat16
        return torch.autocast(self.device.type, torch.bfloat16, enabled, cache_enabled=False)

    @torch.inference_mode()
    def draw_by_convolutions(
        self, label_NHW: np.ndarray, style_NZ: Tensor | None, dtype: torch.dtype
    ) -> np.ndarray:
        """Draw images as on a GPU; see `draw`.

        The last batch is filled with copies of its last slice, so that all batches have one shape.
        """
        check_sides(torch.from_numpy(label_NHW))
        check_values(int(label_NHW.min()), int(label_NHW.max()), self.generator.config.labels)
        if dtype not in self.recorded:
            fast, plain = (partial(self._forward, dtype, fused) for fused in (True, False))
            self.recorded[dtype] = CudaGraph(fast, plain, TOLERANCE[dtype])
        label = torch.from_numpy(label_NHW)
        count, height, width = label.shape
        image_NIHW = torch.empty(count, self.generator.config.channels, height, width)
        with suppress(RuntimeError):  # no GPU, or no more memory that can be pinned
            label, image_NIHW = label.pin_memory(), image_NIHW.pin_memory()
        for start in range(0, len(label), ON_GPU):
            target = image_NIHW[start : start + ON_GPU]
            inputs = [self._fill_batch(label[start : start + ON_GPU])]
            if style_NZ is not None:
                inputs.append(self._fill_batch(style_NZ[start : start + ON_GPU]))
            target.copy_(self.recorded[dtype](*inputs)[: len(target)], non_blocking=True)
        if self.device.type == "cuda":
            torch.cuda.current_stream().synchronize()
        return self._without_channel(image_NIHW).numpy()

    def _fill_batch(self, rows: Tensor) -> Tensor:
        """Move rows to the device, and repeat the last until there are ON_GPU rows."""
        rows = rows.to(self.device, non_blocking=True)
        missing = ON_GPU - len(rows)
        return torch.cat([rows, rows[-1:].expand(missing, *rows.shape[1:])]) if missing else rows

    def _forward(
        self, dtype: torch.dtype, fused: bool, label_BHW: Tensor, style_BZ: Tensor | None = None
    ) -> Tensor:
        """Run the generator by convolutions.

        Args:
            dtype: bfloat16 for mixed precision.
            fused: Whether to use the kernel of factory.models.spade.triton_kernel.
            label_BHW: Label maps on the device.
            style_BZ: Style codes, if the generator has a latent.
        """
        # one_hot would read the values, and wait for the GPU.
        values_K = torch.arange(self.generator.config.labels, device=self.device)
        hot_BKHW = (label_BHW[..., None] == values_K).movedim(-1, 1).float()
        spades = [module for module in self.generator.modules() if isinstance(module, Spade)]
        for spade in spades:
            spade.fused = fused
        try:
            with self._autocast(dtype):
                image_BIHW: Tensor = self.generator(hot_BKHW, style_BZ)
                return image_BIHW
        finally:
            for spade in spades:
                spade.fused = False
