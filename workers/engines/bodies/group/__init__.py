"""All people of one image together: gravity, the floor, and sizes that agree with both."""
