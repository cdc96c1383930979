import numpy as np
import pytest
from support.solids import frame, radius, torus

from factory.anatomy import measures as m
from factory.storage.subjects.types import FETA

STEM, CEREBELLUM, WHITE, VENTRICLES = (
    FETA.index(n) for n in ("brainstem", "cerebellum", "white_matter", "ventricles")
)


@pytest.mark.parametrize("voxel", [0.5, 1.0])
@pytest.mark.parametrize("turn", [(0, 0, 0), (25, 35, 10)])
def test_solids_of_known_topology_have_their_counts(
    voxel: float, turn: tuple[float, float, float]
) -> None:
    z, y, x = frame(22, (voxel,) * 3, turn)
    label = np.zeros(z.shape, np.uint8)
    distance = radius(z, y, x - 12)
    label[distance < 8] = WHITE  # a shell: one piece, one cavity,
    label[distance < 5] = VENTRICLES  # and the ball in it
    label[torus((z, y, x + 10), 6, 2)] = CEREBELLUM  # one tunnel
    # Two rings that share a bar: two tunnels. And a ball apart.
    beads = torus((z - 14, y - 5, x), 5, 2) | torus((z - 14, y + 5, x), 5, 2)
    label[beads | (radius(z + 15, y, x) < 4)] = STEM
    assert m.components(label, FETA) == {
        **dict.fromkeys(FETA.names[1:], 0),
        **{"white_matter": 1, "ventricles": 1, "cerebellum": 1, "brainstem": 2},
    }
    assert m.euler_number(label, FETA) == {
        **dict.fromkeys(FETA.names[1:], 0),
        **{"white_matter": 2, "ventricles": 1, "cerebellum": 0, "brainstem": 1 - 2 + 1},
    }


def test_voxels_that_share_a_corner_are_connected() -> None:
    label = np.zeros((9, 9, 9), np.uint8)
    label[0, 0, 0] = label[1, 1, 1] = label[6, 6, 6] = STEM
    label[4:6, 4, 4] = CEREBELLUM
    label[3:, 8, 8] = WHITE
    assert m.components(label, FETA)["brainstem"] == m.euler_number(label, FETA)["brainstem"] == 2
    assert m.components(label, FETA)["cerebellum"] == 1
    assert m.components(label, FETA)["white_matter"] == m.euler_number(label, FETA)["white_matter"]
    assert m.components(label, FETA)["ventricles"] == 0


def test_an_absent_tissue_has_no_components() -> None:
    label = np.zeros((4, 4, 4), np.uint8)
    assert set(m.components(label, FETA).values()) == {0}
    assert set(m.euler_number(label, FETA).values()) == {0}
