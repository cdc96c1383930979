"""The frozen edge network, on steps."""

import torch

from factory.models.ultrasound_to_mri.edges import EdgeNet


def step(height: float = 1.0) -> torch.Tensor:
    image = torch.zeros(1, 1, 16, 16)
    image[..., 8:] = height
    return image


def test_a_step_has_an_edge_where_it_is_and_nowhere_else() -> None:
    edges = EdgeNet()(step())[0, 0]
    assert torch.allclose(edges, edges[:1].expand_as(edges))  # the same in every row, to the border
    profile = edges[0]
    assert torch.allclose(profile, profile.flip(0))  # symmetric about the step
    assert torch.equal(profile.topk(2).indices.sort().values, torch.tensor([7, 8]))
    assert profile[:4].max() == profile[12:].max() == 0


def test_edges_are_as_high_as_steps_whatever_their_sense_and_direction() -> None:
    net = EdgeNet()
    rising = net(step())
    # Sobel spreads a step of 1 over 2 pixels; the three smoothings only widen it
    assert torch.isclose(rising[0, 0, 8].sum(), torch.tensor(2.0))
    assert torch.allclose(net(3 * step()), 3 * rising)
    assert torch.allclose(net(step(-1.0)), rising)
    assert torch.allclose(net(step().mT), rising.mT)


def test_a_flat_image_has_no_edge_and_nothing_is_learnt() -> None:
    net = EdgeNet()
    assert net(torch.full((2, 1, 8, 8), 0.7)).abs().max() < 1e-6
    assert not list(net.parameters())
    image = step().requires_grad_()
    net(image).sum().backward()
    assert image.grad is not None
    assert image.grad.abs().max() > 0  # but what draws the image learns from it
