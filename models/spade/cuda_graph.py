"""A function of tensors as CUDA graphs, by which hundreds of kernels are launched as one."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

SHAPES = 8
"""The largest number of graphs, one for each shape of the inputs; each takes memory of its own."""

WARM_UPS = 3
"""Runs before a recording, in which libraries choose their kernels and allocate memory."""

Graph = tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...], Tensor]
"""A recording, the inputs that it reads and the result that it writes."""


class CudaGraph:
    """Calls a function on a GPU by replaying a recording of it.

    A recording is made at the first inputs of each shape. Its first result must equal that of a
    plain function within a tolerance. If it does not, or anything fails (no GPU, no compiler, no
    memory), a warning is logged and the plain function is called from then on. A result is valid
    until the next call.

    Attributes:
        given_up: Whether the plain function is called from now on.
    """

    def __init__(
        self, fast: Callable[..., Tensor], plain: Callable[..., Tensor], tolerance: float
    ) -> None:
        """Keep the functions; nothing is recorded before the first call.

        Args:
            fast: The function to record. It must neither wait for the GPU nor keep tensors.
            plain: A function that computes the same in the plain way.
            tolerance: The largest difference between their results.
        """
        self.fast, self.plain, self.tolerance = fast, plain, tolerance
        self.graphs: dict[tuple[tuple[torch.Size, torch.dtype], ...], Graph] = {}
        self.stream: torch.cuda.Stream | None = None
        self.pool: Any = None  # a handle, of no public type
        self.given_up = False

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Call the function, by its recording if that works."""
        if not self.given_up:
            try:
                return self.replay(*inputs)
            except Exception as error:  # a driver, a compiler or an allocator may raise anything
                self.give_up(error)
        return self.plain(*inputs)  # not in the except clause, where the error holds memory

    def give_up(self, error: BaseException) -> None:
        """Log why recordings fail, delete them, and use the plain function from now on."""
        self.given_up = True
        self.graphs.clear()
        while error.__context__ is not None:  # the error that ends a recording hides the first
            error = error.__context__
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        logging.getLogger(__name__).warning("the GPU's fast path is not used: %s", reason)

    def replay(self, *inputs: Tensor) -> Tensor:
        """Call the function by its recording for inputs of these shapes, which is made if needed.

        Raises:
            RuntimeError: The first result of the recording differs from the plain function's.
        """
        key = tuple((x.shape, x.dtype) for x in inputs)
        is_new = key not in self.graphs
        if is_new and len(self.graphs) == SHAPES:
            return self.fast(*inputs)
        if is_new:
            self.graphs[key] = self.record(*inputs)
        graph, recorded_inputs, result = self.graphs[key]
        for target, x in zip(recorded_inputs, inputs, strict=True):
            target.copy_(x, non_blocking=True)
        graph.replay()
        if is_new:
            self.check(result, self.plain(*inputs))
        return result

    def check(self, result: Tensor, expected: Tensor) -> None:
        """Raise RuntimeError if a result differs from the expected one too much."""
        difference = float((result - expected).abs().max())
        if not difference <= self.tolerance:
            raise RuntimeError(f"it differs from the plain one by {difference:.2g}")

    def record(self, *inputs: Tensor) -> Graph:
        """Record the function for inputs of these shapes."""
        if self.stream is None:
            # Check the kernels first, without a graph.
            self.check(self.fast(*inputs), self.plain(*inputs))
            self.stream = torch.cuda.Stream()
            # All graphs share the memory of intermediate results: one is replayed at a time.
            self.pool = torch.cuda.graph_pool_handle()
        recorded_inputs = tuple(x.clone() for x in inputs)
        graph = torch.cuda.CUDAGraph()
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(torch.cuda.current_stream()):  # restores it after an error
            with torch.cuda.stream(self.stream):
                for _ in range(WARM_UPS):
                    self.fast(*recorded_inputs)
            torch.cuda.current_stream().wait_stream(self.stream)
            # Other threads may allocate memory meanwhile (factory.rendering.lookahead).
            with torch.cuda.graph(graph, self.pool, self.stream, capture_error_mode="thread_local"):
                result = self.fast(*recorded_inputs)
        return graph, recorded_inputs, result
