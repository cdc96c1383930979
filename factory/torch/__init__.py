"""Random patches of datasets for PyTorch and MONAI.

patches = PatchDataset("hydrocephalus.zarr", patch=96, seed=7)
loader = PatchLoader(patches, batch_size=2, num_workers=2)
for batch in loader:                        # an epoch; the next loop is the next epoch
    network(batch["image"])                 # [batch, channel, z, y, x] float32
"""

from factory.torch.flip import FlipLeftRight
from factory.torch.label_tables import union_table
from factory.torch.loader import PatchLoader, PatchSampler
from factory.torch.patches import PatchDataset

__all__ = ["FlipLeftRight", "PatchDataset", "PatchLoader", "PatchSampler", "union_table"]
