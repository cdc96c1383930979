"""Label VAE: latents between hearts give new hearts."""
