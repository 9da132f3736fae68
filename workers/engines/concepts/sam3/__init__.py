"""SAM 3 as a concept engine: phrases, exemplars, visual prompts and long video from one set of weights.

What both backends share is here: settings, errors, the tokenizer, pre- and post-processing, snapshots.
`transformers_backend` runs it by Hugging Face transformers, `meta_backend` by Meta's own package.
"""
