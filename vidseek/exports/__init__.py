"""Write moments for other programs: tables, playlists, edit lists, a contact sheet, clips.

    from vidseek.exports import export_hits

    exported = export_hits(library.search("a dog"), "edl", handles_seconds=1)
    Path("dogs.edl").write_bytes(exported.content)

``FORMATS`` lists the formats; ``parse_moments`` reads the JSON of a search back, and ``cut_clips``
writes each moment as a video file. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

from vidseek.exports.formats import FORMATS as FORMATS
from vidseek.exports.formats import Exported as Exported
from vidseek.exports.formats import ExportFormat as ExportFormat
from vidseek.exports.formats import export_hits as export_hits
from vidseek.exports.moments import ExportNote as ExportNote
from vidseek.exports.moments import Moment as Moment
from vidseek.exports.moments import parse_moments as parse_moments
