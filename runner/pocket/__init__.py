"""The embedded model: a checkpoint of a few megabytes in exactly the format of Wan 2.2 TI2V-5B."""
