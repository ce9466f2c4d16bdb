"""Options of the steps of `build`: `build from`, `build run` and so on."""
