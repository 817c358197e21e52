// The page for a wrong address.

import { mountShell } from "./shell.js";

mountShell();
