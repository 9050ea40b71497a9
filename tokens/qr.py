"""QR codes of addresses. A secret is never drawn: pictures of it would end up in camera rolls and their backups."""

from io import BytesIO

import qrcode
from qrcode.image.svg import SvgPathFillImage


def drawn(address: str) -> bytes:
    """Return the QR code as SVG, dark on light with its quiet zone, so that it is read in a dark theme too."""
    code, drawing = qrcode.QRCode(border=4), BytesIO()
    code.add_data(address)
    code.make_image(image_factory=SvgPathFillImage).save(drawing)
    return drawing.getvalue()
