"""How dates read in English where no template says otherwise, in the Django admin above all."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y, H:i"
TIME_FORMAT = "H:i"
