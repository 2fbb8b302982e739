"""What rooms without a reader (media, inference, batches, spools) noted in English, in the words of a reader."""

from __future__ import annotations

import re
from functools import cache

from django.utils.translation import gettext, gettext_noop

SENTENCES = (
    # uploads
    gettext_noop("the file is empty. Check the copy on your device."),
    gettext_noop("larger than %(limit)s MB. An administrator may raise %(setting)s."),
    gettext_noop("storage full, nothing was kept. Free some space and retry."),
    gettext_noop("storage full, what has come so far is kept. Free some space and retry."),
    gettext_noop("storage full, what has come is kept. Free some space and retry."),
    gettext_noop("the disk failed (%(reason)s), %(left)s. Check it and retry."),
    gettext_noop("the database failed (%(reason)s), %(left)s. Retry later."),
    gettext_noop("storage missing: %(folder)s is not mounted, nothing was kept."),
    gettext_noop("the connection was lost, nothing was kept. Send it again."),
    gettext_noop("This upload is not there any more. Start it again."),
    gettext_noop("%(here)s bytes are here, not %(offset)s."),
    gettext_noop("more bytes than the %(count)s that were announced."),
    gettext_noop("another piece is coming in. Try again in a moment."),
    gettext_noop("nothing was kept"),
    gettext_noop("what has come so far is kept"),
    gettext_noop("what has come is kept"),
    # files that are no pictures
    gettext_noop("The file is empty. %(takes)s"),
    gettext_noop("The file is %(kind)s, not an image or video. %(takes)s"),
    gettext_noop("The file is not an image or video: its first bytes are unknown. %(takes)s"),
    gettext_noop(
        "The album takes photos (JPEG, HEIC, PNG, GIF, WebP, AVIF, JPEG XL, TIFF, BMP, raw files of cameras) and "
        "videos (MP4, MOV, 3GP, MKV, WebM, AVI, MTS, MPEG, WMV, FLV, OGV)."
    ),
    gettext_noop("a PDF document"),
    gettext_noop("a PostScript document"),
    gettext_noop("an office document"),
    gettext_noop("an archive or office document"),
    gettext_noop("a text in XML or HTML"),
    gettext_noop("a playlist"),
    gettext_noop("a program"),
    gettext_noop("a sound"),
    # pictures that cannot be shown
    gettext_noop("The album cannot show %(type)s files (%(why)s). The original is kept; you can download it."),
    gettext_noop("The photo cannot be read: the file is not there. Restore it from a backup."),
    gettext_noop("The photo cannot be decoded: not an image, or damaged at its very beginning. Upload it again."),
    gettext_noop("The photo cannot be decoded: it wants more memory than there is. Store a smaller copy."),
    gettext_noop("The photo cannot be decoded: truncated after %(size)s bytes. Upload a complete copy."),
    gettext_noop("The photo cannot be decoded: truncated before its size. Upload a complete copy."),
    gettext_noop("The photo cannot be decoded: damaged (%(why)s). Upload it again."),
    gettext_noop("The photo cannot be decoded: damaged (%(count)s scans). Upload another copy."),
    gettext_noop("The photo cannot be decoded: damaged or truncated. Upload it again."),
    gettext_noop("The photo cannot be decoded: too many pixels: the limit is %(limit)s. Store a smaller copy."),
    gettext_noop(
        "The photo cannot be decoded: its format is damaged or unknown here. Download the original to see it, or "
        "upload a JPEG copy."
    ),
    gettext_noop(
        "The photo cannot be decoded: the raw file is damaged or of an unknown camera (%(why)s). The original "
        "stays stored."
    ),
    gettext_noop("The video cannot be read: the file is not there. Restore it from a backup."),
    gettext_noop("The video cannot be decoded: it holds no moving picture."),
    gettext_noop("The video cannot be decoded: its codec (%(codec)s) is none that the album decodes."),
    gettext_noop(
        "The video cannot be decoded: %(width)s x %(height)s is too large, the limit is %(limit)s pixels. Store a "
        "smaller copy."
    ),
    gettext_noop("The video cannot be decoded: no frame is readable. Upload a complete copy."),
    gettext_noop(
        "The video cannot be decoded: its format is damaged or unknown here. Download the original to see it."
    ),
    gettext_noop("The video cannot be decoded: %(why)s. Upload a complete copy."),
    gettext_noop(
        "The file cannot be decoded: the decoder crashed (%(why)s). The original is kept; you can download it."
    ),
    gettext_noop("killed, most likely for its memory"),
    gettext_noop(
        "The file cannot be decoded: its decoder did not end within %(seconds)s s. An administrator may raise "
        "DECODE_TIMEOUT_S."
    ),
    gettext_noop("The file cannot be decoded: its decoder failed unexpectedly (%(why)s)."),
    gettext_noop("The file is truncated after %(size)s bytes: only a part is shown. Upload a complete copy."),
    gettext_noop("There is no %(name)s of this item."),
    # images from other sites
    gettext_noop("The address is too long or has blanks in it. Copy it again."),
    gettext_noop("The address cannot be read. It must look like https://host/picture.jpg."),
    gettext_noop("Only addresses that begin with https:// are fetched."),
    gettext_noop("The address carries a name or a password. Remove what stands before the @."),
    gettext_noop("Only port %(port)s is asked. Remove the port from the address."),
    gettext_noop(
        "Images are not fetched from %(host)s. An administrator may add it to ALLOWED_EXTERNAL_IMAGE_HOSTS."
    ),
    gettext_noop("redirected more than %(count)s times."),
    gettext_noop("its address is not one of the public internet."),
    gettext_noop("redirects to an address that cannot be read."),
    gettext_noop("answered with status %(status)s. Check the address."),
    gettext_noop("answered with status %(status)s."),
    gettext_noop("sends the image compressed although it was asked not to."),
    gettext_noop("the connection ended before the image did."),
    gettext_noop("the image is larger than %(limit)s MB (EXTERNAL_IMAGE_MAX_MB)."),
    gettext_noop("its certificate is not valid (%(why)s)."),
    gettext_noop("the name cannot be resolved."),
    gettext_noop("took too long."),
    gettext_noop("the connection failed (%(why)s)."),
    # batches
    gettext_noop("AI processing is switched off in the settings"),
    gettext_noop("no stage can run: its weights do not fit into the memory that is free now"),
    gettext_noop("the smallest weights for this stage do not fit into the free memory"),
    gettext_noop("asked twice to end"),
    gettext_noop("the run broke off: %(why)s"),
    gettext_noop("the process %(number)s ended without a word; %(count)s items went back to the queue"),
    gettext_noop("the process was killed by signal %(signal)s"),
    gettext_noop("the process was killed by signal %(signal)s; see the log of the worker"),
    gettext_noop("the process ended with %(status)s"),
    gettext_noop("the process ended with %(status)s; see the log of the worker"),
    gettext_noop("A run vanished while it held this item."),
    gettext_noop("the analysis ended abruptly at this item %(count)s times"),
    gettext_noop("reading the file took longer than %(seconds)s s"),
    gettext_noop("the analysis took longer than %(seconds)s s"),
    gettext_noop("the analysis hung for more than %(seconds)s s"),
    gettext_noop("the file cannot be decoded: %(why)s"),
    gettext_noop("the analysis failed: %(why)s"),
    gettext_noop("not enough memory for this item: %(why)s"),
    # originals
    gettext_noop("the original %(path)s has changed since it was indexed. Import its folder again."),
    gettext_noop("the original %(path)s is missing from the storage. Upload it again."),
    gettext_noop("the original %(path)s is missing (%(why)s). Put it back."),
    gettext_noop("the original %(path)s cannot be read (%(why)s)"),
    gettext_noop("storage missing: %(folder)s is not mounted. Mount it, this waits."),
    # the machine and its weights
    gettext_noop("AI_PROFILE asks for %(wanted)s; detected was %(detected)s."),
    gettext_noop("The machine has %(memory)s GiB of memory, less than %(limit)s: %(profile)s."),
    gettext_noop("The machine has %(memory)s GiB of memory, 12 or more: high-end."),
    gettext_noop("The control group allows %(memory)s GiB of memory, less than %(limit)s: %(profile)s."),
    gettext_noop("The control group allows %(memory)s GiB of memory, 12 or more: high-end."),
    gettext_noop("%(gpu)s with %(memory)s GiB, at least 4: gpu."),
    gettext_noop(
        "A GPU is here (%(gpu)s), but no torch that can use it: install requirements-torch.txt with a CUDA build "
        "of torch."
    ),
    gettext_noop("1 thread of %(cores)s for a network; the rest decode and serve."),
    gettext_noop("%(threads)s threads of %(cores)s for a network; the rest decode and serve."),
    gettext_noop(
        "The stage %(stage)s waits: its weights do not fit into the memory that is free now. Next step: manage.py "
        "download_models; manage.py show_profile says more."
    ),
    gettext_noop(
        "No vectors for the search: no encoder of the profile can be used. Next step: manage.py download_models; "
        "manage.py show_profile says more."
    ),
    gettext_noop(
        "Descriptions come from the built-in analyzer, which knows no objects. Next step: manage.py "
        "download_models; manage.py show_profile says more."
    ),
    gettext_noop(
        "Descriptions come from %(weights)s: no captioner of the profile can be used. Next step: manage.py "
        "download_models; manage.py show_profile says more."
    ),
    gettext_noop("%(files)s missing in %(folder)s. Next step: %(command)s"),
    gettext_noop("%(weights)s is not installed in %(folder)s. Next step: %(command)s"),
    gettext_noop("%(file)s is not installed. Next step: %(command)s"),
    gettext_noop("%(path)s is not the one the catalogue names. Next step: %(command)s"),
    gettext_noop("%(path)s is gone. Next step: %(command)s"),
    gettext_noop("%(path)s has %(size)s bytes instead of %(wanted)s. Next step: %(command)s"),
    gettext_noop("%(path)s has changed: its SHA-256 is not the recorded one. Next step: %(command)s"),
    gettext_noop("Stopped."),
    gettext_noop("Stopped. What has arrived is kept; the next download goes on from there."),
    gettext_noop("The process ended with %(status)s before the download did; see the log of the worker."),
    gettext_noop("the hub gives it to signed-in accounts only. Set HF_TOKEN."),
    gettext_noop("the hub answered with status %(status)s. Try again later."),
    gettext_noop(
        "the download broke off (%(why)s). What has arrived is kept; the same command goes on from there. %(next)s"
    ),
    gettext_noop("Next step: manage.py import_models FILE_OR_FOLDER, with a bundle made on another machine."),
)
"""As the other rooms write them; what differs from case to case has a name in ``%(…)s``."""


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    def pattern(sentence: str) -> re.Pattern[str]:
        return re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+?)", re.escape(sentence)), re.DOTALL)

    return tuple((pattern(sentence), sentence) for sentence in SENTENCES)


def in_words(noted: str) -> str:
    """``noted`` in the reader's language, what it quotes included; what is not known stays as it is."""
    for pattern, sentence in _patterns():
        if found := pattern.fullmatch(noted):
            return gettext(sentence) % {name: in_words(value) for name, value in found.groupdict().items()}
    about, colon, rest = noted.partition(": ")  # of which file, site or network the rest speaks
    return f"{about}{colon}{in_words(rest)}" if colon else noted
