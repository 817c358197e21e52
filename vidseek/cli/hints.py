"""The next step after an error or a warning, as a shell command.

The rooms below attach a ``Hint``: an action and its values. This table words every action for the
command line; a test checks that it has all that the code uses.
"""

from __future__ import annotations

import shlex

from vidseek.core.errors import Hint

HINTS: dict[str, str] = {
    "add_label_examples": "Add examples with `vidseek label add {label} VIDEO@START-END`.",
    "add_label_examples_or_remove": "Add examples with `vidseek label add {label} "
    "VIDEO@START-END`, or remove the label with `vidseek label remove {label}`.",
    "add_model": "Run `vidseek model add {model}` to encode the library with it.",
    "add_root": "Start it with --root FOLDER to allow that folder.",
    "allow_download": "Run the command again with --yes (in Python: confirm_download), or give "
    "a folder that contains the model.",
    "allow_network": "Add --allow-network to read from this address.",
    "calibrate_again": "Run `vidseek calibrate` again, or `vidseek calibrate --forget`.",
    "calibrate_without_hubness": "Calibrate without --hubness.",
    "caption_more_to_calibrate": "Caption more videos, or calibrate without --captions.",
    "caption_more_videos": "Caption more videos.",
    "check_captions": "Check that the captions describe these videos.",
    "check_disk": "Check the disk.",
    "check_hub_name": "Check the name; `vidseek models` lists some. For a private model run `hf "
    "auth login`.",
    "check_permissions": "Check the permissions of the folder and of library.db.",
    "choose_library_folder": "Name a new or empty folder for the library.",
    "choose_training_folder": "Give --out a new or empty folder.",
    "complete_model": "`vidseek model add {model}` encodes the rest; `vidseek model switch "
    "--partial {model}` switches without them.",
    "convert_video": "Convert it to H.264 in MP4, for example with `ffmpeg -i INPUT OUTPUT.mp4`.",
    "copy_again": "Copy or download the file again: it may be incomplete.",
    "create_library": "Run `vidseek index FOLDER` to create a library, or give another library "
    "with --library.",
    "encode_before_drop": "Encode them with the active model first: run `vidseek index FOLDER` on "
    "their folder, or `vidseek model add NAME`.",
    "find_missing": "Mount their disk and run `vidseek index FOLDER` again, give their new path "
    "with `vidseek relocate OLD NEW`, or remove them with `vidseek index FOLDER --prune`.",
    "finish_or_delete_run": "Run that command again to finish it, or delete {folder}.",
    "free_space": "Free some space and run the command again; videos stored so far are kept.",
    "give_captions_or_override": "Give --captions of videos in this library, or --override to "
    "calibrate without.",
    "give_database_url": "Open it from Python: vidseek.open(folder, database_url={url!r}).",
    "give_encoder": "Open it in that program: vidseek.open(folder, encoder=...), or encode it with "
    "another model: `vidseek model add NAME`.",
    "give_labels": "Give labels with --label, --labels or --set, or teach the library some: "
    "`vidseek label add NAME VIDEO`, then `vidseek label train`.",
    "give_other_queries": "Other queries may do better: --queries FILE.",
    "index": "Run `vidseek index FOLDER`.",
    "index_folder": "Run `vidseek index {folder}` first.",
    "index_more": "Index more videos, with varied content.",
    "index_with_model": "Run `vidseek index --model NAME PATH` to create the library with a model.",
    "install_extra": 'Run `pip install ".[{extra}]"` in the checkout of vidseek, or '
    '`pip install "WHEEL[{extra}]"` with its wheel file.',
    "install_package": "Run `pip install {package}`, or reinstall vidseek, which needs it.",
    "install_player": "Install mpv or VLC.",
    "list_failed": "`vidseek failed` shows why; `vidseek failed --retry` tries again.",
    "list_known_models": "`vidseek models` lists models to download. For any other model, give "
    "hf:ORG/NAME, open_clip:ARCHITECTURE/PRETRAINED or a model folder.",
    "list_labels": "`vidseek label list` shows its labels.",
    "list_models": "`vidseek model list` shows its models.",
    "list_or_index": "`vidseek list` shows its videos, `vidseek index FOLDER` adds more.",
    "list_videos": "`vidseek list` shows its videos.",
    "log_in_to_hub": "Then run `hf auth login` and try again.",
    "make_writable": "Check the folder's permissions, or copy the library elsewhere.",
    "move_library": "Move the library to a local disk, or keep it in PostgreSQL.",
    "reinstall": "Install vidseek again in a new environment, with the versions that it requires.",
    "reinstall_package": "Run `pip install --force-reinstall {package}`.",
    "relocate_missing": "Check the new path, or add --missing-ok if its disk is not mounted now.",
    "remove_first": "If that video is gone, run `vidseek remove {path}` first; otherwise give "
    "another path.",
    "remove_label": "Run `vidseek label remove {label}` to remove it.",
    "remove_label_example": "Remove one with `vidseek label remove {label} VIDEO@START-END`.",
    "repair_library": "Run `vidseek doctor` when no other process is writing.",
    "restore_database": "Restore library.db from a backup, or index into a new library.",
    "restore_model": "Put the folder back, run `vidseek model add NEWPATH` if it was moved, or "
    "switch to another model: `vidseek model list`, then `vidseek model switch NAME`.",
    "restore_or_add_model": "Put the old weights back, or run `vidseek model add {model}` to "
    "encode the library with the new ones.",
    "restore_weights": "Copy {folder} again from its source, or train it again.",
    "run_doctor": "Run `vidseek doctor`.",
    "search_as_json": "Give what `search` or `similar` prints with --json.",
    "shrink_picture": "Scale the picture down first.",
    "shrink_video": "Convert the video to a lower resolution first.",
    "split_video": "Split the video into shorter files first.",
    "switch_before_drop": "Run `vidseek model switch NAME` first.",
    "switch_model": "Run `vidseek model switch {model}` to use it.",
    "train_image_model": "Train a head on an image model, such as clip-base; `vidseek models` "
    "lists more.",
    "train_labels": "Run `vidseek label train` to learn them again with this model.",
    "try_hub_model": "For a model on the hub, write {model}.",
    "uninstall_one_faiss": "Run `pip uninstall faiss-cpu faiss-gpu`, then install one of them.",
    "upgrade_package": "Run `pip install --upgrade {package}`.",
    "upgrade_vidseek": "Update the checkout and run `pip install .` in it, or install a newer "
    "wheel file.",
    "use_model_folder": "Give the folder with --model.",
    "use_or_add_model": "Search with a model from `vidseek model list`, or run `vidseek model add "
    "{model}` to encode the library with this model.",
    "wait_for_run": "Wait until it has finished, or stop it.",
}


_TORCH_EXTRAS = frozenset({"hub", "open-clip", "train"})
_TORCH_FIRST = (
    "Without an NVIDIA card, first install the CPU build of torch, as pytorch.org says: the "
    "default one on Linux downloads over 2 GB."
)


def shell_hint(hint: Hint | None) -> str | None:
    """The sentence that tells a shell user what to do next; None if there is no hint."""
    if hint is None:
        return None
    values = dict(hint.values)
    quoted = {name: shlex.quote(value) for name, value in values.items()}
    parts = HINTS[hint.action].split("`")  # every second one is a command
    step = "`".join(
        part.format_map(quoted if place % 2 else values) for place, part in enumerate(parts)
    )
    needs_torch = hint.action == "install_extra" and hint.values["extra"] in _TORCH_EXTRAS
    return f"{_TORCH_FIRST} {step}" if needs_torch else step


def with_hint(message: str, hint: Hint | None) -> str:
    """A message and the next step after it."""
    step = shell_hint(hint)
    if step is None:
        return message
    return f"{message.rstrip('.')}. {step}"
