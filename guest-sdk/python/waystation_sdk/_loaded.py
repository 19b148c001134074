"""What Python itself imports when it is first used. A component has the modules that
were loaded at the build, and no other."""

import _strptime as _strptime
import encodings.ascii as _ascii
import encodings.cp1252 as _cp1252
import encodings.idna as _idna
import encodings.latin_1 as _latin_1
import encodings.utf_16 as _utf_16
import encodings.utf_8_sig as _utf_8_sig
