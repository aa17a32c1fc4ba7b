"""The layouts of a folder of images: which of its folders are parts, and which are classes.

A name alone decides little: `train` is a class among `bus` and `car`. So the layouts are tried in
a fixed order, and each asks for what lies in the folders as well. What was decided is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from headstart import progress
from headstart.data._types import PART_NAMES, TRAIN, UNASSIGNED
from headstart.data.formats.folders._classes import (
    ClassFolder,
    classes_in_file_names,
    listed_classes,
    read_class,
    read_classes,
    read_parts,
    require_images,
)
from headstart.data.formats.folders._clutter import some_names
from headstart.data.formats.folders._errors import (
    ambiguous_part,
    divided_classes,
    extra_folder,
    no_class_folders,
    no_training_folder,
    numbered_parts,
    other_task,
    part_without_classes,
    second_folder,
    several_datasets,
    tables_in,
)
from headstart.data.formats.folders._file_tree import Folder
from headstart.data.formats.folders._names import (
    class_level,
    has_annotations,
    is_date,
    is_numbered_part,
    is_placeholder,
    name_parts,
    skip_wrappers,
)
from headstart.data.formats.folders._notices import (
    say_beside_wrapped,
    say_evaluation,
    say_nested,
    say_outside,
    say_published,
    say_without_classes,
    say_wrapper,
)
from headstart.data.formats.folders._part_words import part_of_name, resolve_evaluation
from headstart.formatting import counted

# Words of parts that are a thing or a property of one, and so may be classes.
_MAYBE_CLASSES = frozenset({"train", "trains", "training", "valid"})


def find_class_folders(root: Folder) -> list[ClassFolder]:
    """Find the images of every class in every part.

    Returns:
        One item per class and part, in the order of the folders' names. The only part of data that
        come without training images or without other parts is UNASSIGNED.

    Raises:
        InputError: There are no class folders, a class is empty, or the folders may be read in more
            than one way.
    """
    top = skip_wrappers(root)
    say_wrapper(root, top)

    children = class_level(top)
    class_folders = _parts_above_classes(root, top, children)
    if class_folders is None:
        class_folders = _read_classes_at(top, children)
    if not class_folders:
        class_folders = classes_in_file_names(UNASSIGNED, top)
    if not class_folders:
        raise no_class_folders(root, top)
    say_nested(root, class_folders)
    say_published(root, class_folders)
    return class_folders


def _read_classes_at(top: Folder, children: Sequence[Folder]) -> list[ClassFolder]:
    """Read folders that are classes, or whose names or contents combine classes and parts."""
    if children and all(is_numbered_part(child.name) for child in children):
        names = [child.name for child in children]
        has_table = any(path.parent == top.path for path in tables_in(top, top))
        if has_table or all(child.folders for child in children):
            raise numbered_parts(top, names)
        progress.say(
            f"{top.path}: {some_names(names)} are read as classes, although such names are often "
            "those of parts of one set of images"
        )
    if children and all(is_date(child.name) for child in children):
        progress.say(
            f"{top.path}: the folders {some_names([child.name for child in children])} are read as "
            "classes, although dates are often those of sessions"
        )
    class_folders = _parts_in_names(top, children)
    if class_folders is None:
        class_folders = _parts_below_classes(top, children)
    if class_folders is None:
        class_folders = read_classes(UNASSIGNED, children)
    if class_folders:
        say_outside(top)
    return class_folders


def _parts_above_classes(
    root: Folder, top: Folder, children: Sequence[Folder]
) -> list[ClassFolder] | None:
    """Read folders such as train/cats and test/cats, or return None if these are not there."""
    parts = name_parts(children)
    if not parts:
        return None

    unwrapped = {child.name: skip_wrappers(child) for child in children}
    with_classes = [name for name in parts if class_level(unwrapped[name])]
    if not with_classes:
        return _flat_parts(root, top, children, parts)

    plain = [child for child in children if child.name not in parts and child.image_count]
    train_names = [name for name in with_classes if parts[name] == TRAIN]
    if not train_names:
        if not plain:
            raise no_training_folder(top, list(parts))
        return _parts_beside_classes(top, plain, parts, unwrapped)
    flat = [child.name for child in plain if not child.folders]
    if len(parts) == 1 and len(flat) > 1:
        raise ambiguous_part(top, train_names[0], flat)

    say_outside(top)
    train_level = class_level(unwrapped[train_names[0]])
    folder_of_part, listed = _divide(top, children, parts, unwrapped, train_level)
    say_evaluation(top, parts)
    if len(folder_of_part) + len(listed) == 1:
        return read_classes(UNASSIGNED, train_level)
    return [*read_parts(folder_of_part), *chain.from_iterable(listed.values())]


def _divide(
    top: Folder,
    children: Sequence[Folder],
    parts: dict[str, int],
    unwrapped: dict[str, Folder],
    train_level: Sequence[Folder],
) -> tuple[dict[int, Folder], dict[int, list[ClassFolder]]]:
    """Return the folder of each part, and the classes of each part that a text file lists.

    Folders without classes are left out, with a line for each.

    Raises:
        InputError: Two folders are one part, or a folder of classes is not one.
    """
    train_classes = {child.name for child in train_level}
    folder_of_part: dict[int, Folder] = {}
    listed: dict[int, list[ClassFolder]] = {}
    for child in children:
        folder = unwrapped[child.name]
        has_classes = bool(class_level(folder)) and not is_placeholder(folder, train_classes)
        if child.name not in parts:
            if has_classes and child.image_count:
                raise extra_folder(child.path)
            # Without images, it is such as the devkit of ImageNet.
            say_without_classes(folder if child.image_count else child)
            continue

        part = parts[child.name]
        classes = [] if has_classes else listed_classes(part, folder, train_classes)
        if not has_classes and not classes:
            say_without_classes(folder)
            continue
        if part in folder_of_part or part in listed:
            raise second_folder(child.path, PART_NAMES[part], top.path)
        if has_classes:
            say_beside_wrapped(child, folder)
            say_outside(folder)
            folder_of_part[part] = folder
        else:
            listed[part] = classes
    return folder_of_part, listed


def _flat_parts(
    root: Folder, top: Folder, children: Sequence[Folder], parts: dict[str, int]
) -> list[ClassFolder] | None:
    """Read folders of images whose names look like parts, but which have no class folders."""
    plain = [child for child in children if child.name not in parts and child.image_count]
    flat = [child for child in children if child.name in parts and child.image_count]
    if not flat and plain:
        return None
    if not plain:
        return _flat_parts_by_file_name(root, top, flat, parts)

    may_be_class = len(flat) == 1 and flat[0].name.casefold() in _MAYBE_CLASSES
    if may_be_class:
        progress.say(
            f"{top.path}: '{flat[0].name}' is read as a class, because it lies beside "
            f"{some_names([child.name for child in plain])} and has no class folders"
        )
        return None
    if len(plain) < 2 or len(flat) > 1:
        raise ambiguous_part(top, flat[0].name, [child.name for child in plain])
    progress.say(
        f"{flat[0].path}: left out {counted(flat[0].image_count, 'image')} without labels: its "
        "name is that of a part, not of a class. If it is a class, rename the folder"
    )
    return _read_classes_at(top, [child for child in children if child is not flat[0]])


def _flat_parts_by_file_name(
    root: Folder, top: Folder, flat: Sequence[Folder], parts: dict[str, int]
) -> list[ClassFolder]:
    """Read Kaggle's train/cat.0.jpg. Parts without class names in their files are left out."""
    class_folders: list[ClassFolder] = []
    unlabelled: list[Folder] = []
    for folder in flat:
        classes = classes_in_file_names(parts[folder.name], skip_wrappers(folder))
        class_folders += classes
        if not classes:
            unlabelled.append(folder)

    read_parts = {item.part for item in class_folders}
    if TRAIN not in read_parts:
        if has_annotations(root) or has_annotations(top):
            raise other_task(root)
        in_order = sorted(flat, key=lambda folder: parts[folder.name])
        raise part_without_classes(root, top, in_order[0] if flat else top)
    for folder in unlabelled:
        say_without_classes(folder)
    if len(read_parts) == 1:
        for item in class_folders:
            item.part = UNASSIGNED
    return class_folders


def _parts_beside_classes(
    top: Folder, plain: Sequence[Folder], parts: dict[str, int], unwrapped: dict[str, Folder]
) -> list[ClassFolder]:
    """Read class folders with a test folder beside them, which has the same class folders."""
    class_names = {child.name for child in plain}
    folder_of_part: dict[int, Folder] = {}
    for name, part in parts.items():
        folder = unwrapped[name]
        classes = class_level(folder)
        if not classes:
            say_without_classes(folder)
            continue
        if part in folder_of_part:
            raise second_folder(top.path / name, PART_NAMES[part], top.path)
        if not {child.name for child in classes} <= class_names:
            raise ambiguous_part(top, name, sorted(class_names))
        folder_of_part[part] = folder

    say_outside(top)
    names = some_names([name for name in parts if unwrapped[name] in folder_of_part.values()])
    progress.say(
        f"{top.path}: the class folders beside {names} are the training images, because {names} "
        "has the same class folders"
    )
    return [*read_classes(TRAIN, plain), *read_parts(folder_of_part)]


def _parts_in_names(top: Folder, children: Sequence[Folder]) -> list[ClassFolder] | None:
    """Read folders such as train_cats and test_cats, or return None if these are not there."""
    named = {child.name: part_of_name(child.name) for child in children}
    combined = {name: mention for name, mention in named.items() if mention and mention.rest}
    if not combined:
        return None

    part_of = resolve_evaluation({name: mention.part for name, mention in combined.items()})
    rests = {
        part: {
            mention.rest.casefold() for name, mention in combined.items() if part_of[name] == part
        }
        for part in set(part_of.values())
    }
    is_combined = TRAIN in rests and any(
        rests[TRAIN] & rests[part] for part in rests if part != TRAIN
    )
    if not is_combined:
        progress.say(
            f"{top.path}: read as classes, although their names mention a part: "
            f"{some_names(list(combined))}"
        )
        return None
    if len(combined) < len(named):
        raise ambiguous_part(
            top, next(iter(combined)), [name for name in named if name not in combined]
        )

    example = next(iter(combined))
    progress.say(
        f"{top.path}: read part and class from the folder names: {example} is class "
        f"'{combined[example].rest}' of {PART_NAMES[part_of[example]]}"
    )
    require_images(children)
    class_folders = [
        read_class(part_of[child.name], combined[child.name].rest, child) for child in children
    ]
    return sorted(class_folders, key=lambda item: (item.part, item.class_name))


def _parts_below_classes(top: Folder, children: Sequence[Folder]) -> list[ClassFolder] | None:
    """Read folders such as cats/train and cats/test, or return None if these are not there."""
    with_images = [child for child in children if child.image_count]
    parts_of = {child.name: name_parts(child.folders) for child in with_images}
    if not any(len(set(parts.values())) > 1 for parts in parts_of.values()):
        return None

    class_folders: list[ClassFolder] = []
    undivided: list[str] = []
    for child in with_images:
        parts = parts_of[child.name]
        if child.images or len(parts) < len(child.folders):
            undivided.append(child.name)
        for folder in child.folders:
            if folder.name in parts:
                class_folders.append(read_class(parts[folder.name], child.name, folder))
    datasets = [child.name for child in with_images if _has_same_classes_in_parts(child)]
    if len(datasets) > 1:
        raise several_datasets(top, datasets)
    if undivided:
        divided = [child.name for child in with_images if len(set(parts_of[child.name].values()))]
        raise divided_classes(top, divided, undivided)

    progress.say(
        f"{top.path}: the classes are {some_names([child.name for child in with_images])}, each "
        f"divided into {some_names(sorted(parts_of[with_images[0].name]))}"
    )
    require_images(children)
    for child in children:
        require_images(child.folders)
    return sorted(class_folders, key=lambda item: (item.part, item.class_name))


def _has_same_classes_in_parts(folder: Folder) -> bool:
    """Return whether a folder is a dataset of its own, as with A/train/cat and A/test/cat."""
    parts = name_parts(folder.folders)
    class_names = [
        {child.name for child in child_of_part.folders if child.image_count}
        for child_of_part in folder.folders
        if child_of_part.name in parts and child_of_part.image_count
    ]
    return len(class_names) > 1 and len(set.intersection(*class_names)) > 1
