"""SAM 3 by Hugging Face transformers: any device, and video of any length in constant memory."""
