"""StyleGAN2-ADA: draws images with their labels from latents."""
