// Package doctor is the command that asks the running edge, and the wiki as a stranger would, whether what the edge is for holds.
// The checks of the edge stand in the packages that they are about, see edge.AddCheck; those by a stranger's requests in checkup.
package doctor
