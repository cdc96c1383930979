"""StyleGAN2 with adaptive discriminator augmentation (Karras et al. 2020)."""
