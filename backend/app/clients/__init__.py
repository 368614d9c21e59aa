"""The edge to other programs; foreign exceptions end here."""
