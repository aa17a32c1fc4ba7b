"""The protections of Headstart, each with the change of the source that removes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """A change that removes one protection.

    Attributes:
        protection: What is removed, in a few words.
        file: The file, relative to `src/headstart`.
        old: A text that occurs in it once.
        new: The text in its place.
        test: The test that must fail, relative to `tests`.
    """

    protection: str
    file: str
    old: str
    new: str
    test: str


_STORE, _SEAL, _READERS = "store/test_store.py", "store/test_seal.py", "data/test_reader_limits.py"
_GUARD, _IMAGES = "deploy/test_guard.py", "data/test_untrusted_images.py"

MUTATIONS = (
    Mutation(
        "fsync of files",
        "store/_files.py",
        "        os.fsync(handle)",
        "        pass",
        f"{_STORE}::test_a_failed_write_leaves_the_old_content_and_no_debris",
    ),
    Mutation(
        "fsync before the rename",
        "store/_files.py",
        "            sync_handle(file.fileno())\n            temporary.replace(path)",
        "            temporary.replace(path)\n            sync_handle(file.fileno())",
        f"{_STORE}::test_a_failed_write_leaves_the_old_content_and_no_debris",
    ),
    Mutation(
        "fsync of the folder after the rename",
        "store/_files.py",
        "            temporary.replace(path)\n        sync_folder(path.parent)",
        "            temporary.replace(path)",
        f"{_STORE}::test_nothing_is_synced_while_syncing_is_disabled",
    ),
    Mutation(
        "the seal before the last file",
        "store/_seal.py",
        "    write_json(folder / MANIFEST, manifest)\n    if final is not None:\n"
        "        write_bytes(folder / final[0], final[1])",
        "    if final is not None:\n        write_bytes(folder / final[0], final[1])\n"
        "    write_json(folder / MANIFEST, manifest)",
        f"{_SEAL}::test_a_folder_that_looks_complete_is_sealed",
    ),
    Mutation(
        "the digest of a file that is read",
        "store/_manifest.py",
        "    digest = hashlib.sha256(content).hexdigest()\n    return None if",
        "    digest = hashlib.sha256(content).hexdigest()\n    return None if True or",
        f"{_SEAL}::test_every_damage_is_found_and_refused_by_every_reader",
    ),
    Mutation(
        "the digest of a file that is examined",
        "store/_manifest.py",
        '    return None if digest in _accepted(entry, "sha256") else _other_content(name, entry)\n'
        "\n\ndef check_content",
        "    return None\n\n\ndef check_content",
        f"{_SEAL}::test_every_damage_is_found_and_refused_by_every_reader",
    ),
    Mutation(
        "a manifest stays in its folder",
        "store/_manifest.py",
        'if name.startswith("/") or ".." in name.split("/"):',
        "if False:",
        f"{_STORE}::test_a_manifest_cannot_point_outside_its_folder",
    ),
    Mutation(
        "one writer per folder",
        "store/_locks.py",
        "    try:\n        if _lock_within(handle, 0.0):",
        "    return\n    try:\n        if _lock_within(handle, 0.0):",
        f"{_STORE}::test_the_error_about_a_folder_in_use_names_its_owner",
    ),
    Mutation(
        "debris is judged by its lock",
        "store/_temporary.py",
        "            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "            if path.is_dir():",
        "            if path.is_dir():",
        f"{_STORE}::test_a_folder_that_another_process_fills_stays_whatever_the_clock_says",
    ),
    Mutation(
        "debris is removed",
        "store/_temporary.py",
        "            _remove_unlocked(path)",
        "            pass",
        f"{_STORE}::test_a_killed_process_leaves_nothing_behind_for_long",
    ),
    Mutation(
        "space is checked first",
        "store/_write_errors.py",
        "if free < size_bytes + SPACE_MARGIN_BYTES:",
        "if False:",
        f"{_STORE}::test_the_error_about_too_little_space_says_how_much_is_needed",
    ),
    Mutation(
        "an unfinished line is ended",
        "store/_files.py",
        '        is_cut_off = size > 0 and os.pread(handle, 1, size - 1) != b"\\n"',
        "        is_cut_off = size < 0",
        "store/test_append.py::test_a_line_that_a_killed_process_left_unfinished_does_not_damage"
        "_the_next",
    ),
    Mutation(
        "fsync of the names of new folders",
        "store/_files.py",
        "            sync_folder(parent)",
        "            pass",
        f"{_STORE}::test_the_names_of_new_folders_are_synced",
    ),
    Mutation(
        "fsync before a removed folder's content goes",
        "store/_folders.py",
        '        path.rename(hidden / "removed")\n        sync_folder(path.parent)',
        '        path.rename(hidden / "removed")',
        f"{_STORE}::test_the_name_of_a_folder_is_gone_from_the_disk_before_its_content_is_removed",
    ),
    Mutation(
        "a line is written completely",
        "store/_files.py",
        "        remaining = remaining[os.write(handle, remaining) :]",
        "        remaining = remaining[os.write(handle, remaining) :][:0]",
        "store/test_append.py::test_a_line_of_which_the_system_accepts_only_a_part_at_a_time_is"
        "_complete",
    ),
    Mutation(
        "what a killed process left for a file",
        "store/_temporary.py",
        "    _clear_debris_of(path)\n",
        "",
        f"{_STORE}::test_writing_a_file_again_removes_what_a_killed_process_left_for_it",
    ),
    Mutation(
        "errors of the cache are named as such",
        "data/formats/_reading.py",
        "        if _is_of_cache(error):",
        "        if False:",
        "data/test_load.py::test_an_error_in_the_cache_is_not_a_file_that_cannot_be_read",
    ),
    Mutation(
        "apostrophes before formulas",
        "store/_cells.py",
        'f"{_APOSTROPHE}{text}" if _is_formula(text) else text',
        "text",
        "store/test_cells.py::test_a_formula_gets_an_apostrophe",
    ),
    Mutation(
        "apostrophes are removed again",
        "store/_cells.py",
        "        return text[len(_APOSTROPHE) :]",
        "        return text",
        "store/test_cells.py::test_every_text_is_read_as_it_was_given",
    ),
    Mutation(
        "FIFOs and devices are not opened",
        "store/_limits.py",
        "    if kind is not None:\n        raise InputError(",
        "    if kind is not None and path.name == 'never':\n        raise InputError(",
        f"{_READERS}::test_files_of_a_run_are_regular_files_too",
    ),
    Mutation(
        "compressed files expand within a limit",
        "store/_limits.py",
        "    return max(ALWAYS_ALLOWED_BYTES, LARGEST_RATIO * compressed)",
        "    return 1 << 60",
        f"{_READERS}::test_compressed_files_expand_at_most_a_hundred_times",
    ),
    Mutation(
        "arrays have the size that they announce",
        "store/_npz.py",
        "if min(header.shape, default=0) < 0 or expected != present:",
        "if False:",
        f"{_READERS}::test_a_file_that_announces_gigabytes_is_refused_in_little_memory",
    ),
    Mutation(
        "members stay inside their archive",
        "data/formats/_archive_members.py",
        'if name.startswith(("/", "\\\\")) or _DRIVE.match(name) or ".." in parts or '
        '"\\0" in name:',
        "if False:",
        "data/test_archives.py::test_a_member_outside_the_target_is_refused",
    ),
    Mutation(
        "the time limit of decoding",
        "data/formats/images/_open_image.py",
        "if time.thread_time() > self._deadline:",
        "if False:",
        f"{_IMAGES}::test_decoding_ends_at_its_deadline",
    ),
    Mutation(
        "decoding stops with the command",
        "data/formats/images/_open_image.py",
        "        if is_stopping():",
        "        if False:",
        f"{_IMAGES}::test_decoding_stops_when_the_command_is_stopped",
    ),
    Mutation(
        "the number of scans of a JPEG",
        "data/formats/images/_open_image.py",
        "    require_few_scans(image, stream)",
        "    pass",
        f"{_IMAGES}::test_scans_are_counted_before_they_are_decoded",
    ),
    Mutation(
        "the check of Host",
        "deploy/server/_access.py",
        "        return name in self.access.hosts or "
        "(self.access.any_address and _is_address(name))",
        "        return True",
        f"{_GUARD}::test_another_host_or_origin_is_refused",
    ),
    Mutation(
        "the check of Origin",
        "deploy/server/_access.py",
        "if origin is not None and not _is_same_origin(origin, host):",
        "if False:",
        f"{_GUARD}::test_another_host_or_origin_is_refused",
    ),
    Mutation(
        "the check of the token",
        "deploy/server/_access.py",
        "        return hmac.compare_digest(token.encode(), expected) and bool(token)",
        "        return True",
        f"{_GUARD}::test_a_wrong_token_is_refused",
    ),
    Mutation(
        "the size cap while a body arrives",
        "deploy/server/_body.py",
        "                    if len(body) > limits.body_bytes:",
        "                    if False:",
        f"{_GUARD}::test_a_body_is_cut_off_at_the_limit",
    ),
    Mutation(
        "the size cap before a body arrives",
        "deploy/server/_body.py",
        "if announced.isdigit() and int(announced) > self.limits.body_bytes:",
        "if False:",
        f"{_GUARD}::test_a_body_that_is_announced_as_too_large_is_not_read",
    ),
    Mutation(
        "the memory of all bodies together",
        "deploy/server/_body.py",
        "                    if self._held_bytes > limits.held_bytes:",
        "                    if False:",
        f"{_GUARD}::test_bodies_together_are_bounded",
    ),
    Mutation(
        "the time in which a body must arrive",
        "deploy/server/_body.py",
        "async with asyncio.timeout(limits.body_seconds):",
        "async with asyncio.timeout(None):",
        f"{_GUARD}::test_a_body_that_does_not_arrive_times_out",
    ),
    Mutation(
        "a stop signal is remembered",
        "signals.py",
        "        sys.exit(128 + _received.ends)",
        "        pass",
        "test_signals.py::test_a_signal_whose_exception_was_discarded_ends_the_command_at_the_next"
        "_boundary",
    ),
    Mutation(
        "a second signal ends at once",
        "signals.py",
        "            os._exit(128 + signum)",
        "            pass",
        "test_signals.py::test_a_second_signal_ends_at_once",
    ),
    Mutation(
        "a closed output ends a command quietly",
        "cli/_streams.py",
        "    sys.stdout = _replace(sys.stdout, sys.__stdout__, _Output)",
        "    pass",
        "cli/test_streams.py::test_a_closed_output_ends_a_command_quietly",
    ),
    Mutation(
        "escapes in tables",
        "cli/_app.py",
        "yield segment._replace(text=printable(segment.text)) if is_text else segment",
        "yield segment if is_text else segment",
        "cli/test_control_codes.py::test_a_table_shows_escapes",
    ),
    Mutation(
        "checkpoints belong to their run",
        "training/_checkpoints.py",
        '    if values.get("run", key) != key:',
        "    if False:",
        "training/test_resume.py::test_a_whole_checkpoint_of_another_run_is_not_resumed",
    ),
    Mutation(
        "checkpoints are intact",
        "training/_checkpoints.py",
        "    damage = store.find_damage(path)\n",
        "    damage = None\n",
        "training/test_resume.py::test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is"
        "_used[flip-state.safetensors]",
    ),
    Mutation(
        "a database is checked by SQLite",
        "studies/tune/_trial_schema.py",
        "    if reason is not None:\n        raise _damaged(path, reason)",
        "    pass",
        "studies/test_trial_files.py::test_a_foreign_database_is_not_changed",
    ),
    Mutation(
        "a database belongs to its search",
        "studies/tune/_trial_schema.py",
        'if not study.study_name.startswith(f"{name}/"):',
        "if False:",
        "studies/test_trial_files.py::test_the_database_of_another_search_is_refused",
    ),
    Mutation(
        "results of trials have their types",
        "studies/tune/_trial_schema.py",
        "    _check_facts(facts)\n    needed",
        "    needed",
        "studies/test_trial_files.py::test_a_damaged_database_is_named_and_stays",
    ),
    Mutation(
        "weights stay where a step is not finite",
        "training/_step.py",
        "    if result.is_finite:",
        "    if True:",
        "training/test_nonfinite_step.py::test_the_weights_and_the_optimizer_stay",
    ),
    Mutation(
        "an exported file is compared with its run",
        "deploy/export/_parity.py",
        "    if not is_same_class.all() or not is_close:",
        "    if False:",
        "deploy/test_export.py::test_a_file_that_does_not_reproduce_its_run_is_not_written",
    ),
)
