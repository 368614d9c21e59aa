"""The kinds of fault that a data set can have, and what one found fault tells."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: its kind, the file, the line in it (from 1) where it has lines, what was found, the image it spoils."""

    problem: str
    file: str
    detail: str
    line: int | None = None
    image: str | None = None


TITLES: dict[str, tuple[str, str]] = {
    "image_unreadable": ("error", "Images that cannot be read"),
    "image_truncated": ("error", "Images that end too early"),
    "image_too_small": ("error", "Images that are too small"),
    "malformed_row": ("error", "Label rows that are not five numbers"),
    "class_out_of_range": ("error", "Class ids that no class has"),
    "coordinates_not_normalised": ("error", "Coordinates outside 0 to 1"),
    "zero_size_box": ("error", "Boxes without area"),
    "no_images": ("error", "No training images"),
    "no_labels": ("error", "No labels for the training images"),
    "no_validation_split": ("error", "No validation images"),
    "missing_label": ("warning", "Images without a label file (they count as background)"),
    "empty_label": ("warning", "Label files without a box (they count as background)"),
    "duplicate_row": ("warning", "Boxes that stand twice in a label file"),
    "label_without_image": ("warning", "Label files without an image"),
    "listed_image_missing": ("warning", "Listed images that are not there"),
    "stray_image": ("warning", "Images outside the layout (left out)"),
    "unused_file": ("warning", "Files of a kind that is not used (left out)"),
    "empty_class": ("warning", "Classes without training images"),
    "class_not_validated": ("warning", "Classes without validation images"),
    "duplicate_image": ("warning", "Images that are there more than once"),
    "leaked_image": ("warning", "Training images that also serve for validation"),
}
IMAGE_PROBLEMS = frozenset({"image_unreadable", "image_truncated", "image_too_small"})
LABEL_PROBLEMS = frozenset({"malformed_row", "class_out_of_range", "coordinates_not_normalised", "zero_size_box"})


def severity(problem: str) -> str:
    """error or warning."""
    return TITLES[problem][0]
