"""The logarithmic adversarial loss against its definition."""

import torch

from factory.models.losses import log_discriminator, log_generator


def test_losses_are_those_of_the_paper_with_every_logarithm() -> None:
    real, fake = torch.tensor([0.3, -2.0, 4.0]), torch.tensor([1.0, -0.5])
    p_real, p_fake = torch.sigmoid(real), torch.sigmoid(fake)
    expected = -(p_real.log().mean() + (1 - p_fake).log().mean())
    assert torch.isclose(log_discriminator(real, fake), expected)
    assert torch.isclose(log_generator(fake), -p_fake.log().mean())


def test_sure_discriminators_leave_finite_losses_and_a_slope() -> None:
    fake = torch.tensor([-200.0], requires_grad=True)
    log_generator(fake).backward()
    assert torch.isclose(fake.grad, torch.tensor([-1.0]))  # type: ignore[arg-type]
    assert log_discriminator(torch.tensor([200.0]), fake.detach()) == 0
