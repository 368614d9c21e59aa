"""Pure functions on image folders: safe unpacking, layout recognition, validation, the plan of files a trainer gets."""
