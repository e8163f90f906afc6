// Package admin is what the routes of the admin API and the commands that call them share: reading and writing bodies on the
// one side, [Call] on the other, and who acts.
package admin
