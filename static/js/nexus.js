// Every behaviour is bound by a data attribute; pages work without any of them.
import "./copy.js";
import "./theme.js";
import "./menu.js";
import "./filter.js";
import "./slug.js";
import "./refresh.js";
import "./passkey.js";
import "./zone.js";
import "./once.js";
import "./kept.js";
