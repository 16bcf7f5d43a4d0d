"""The made-up world of `sandbox.world` as an external system like any other, and its judge."""
