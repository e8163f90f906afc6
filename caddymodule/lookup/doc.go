// Package lookup has what looks masks up and reveals them: the handlers mask_info and mask_reveal, the log of who did, its
// public page, and the commands and admin routes of these. The rules are in the libraries below wikiveil/lookup.
package lookup
