// Package publish has the commands that turn old data into masks, and look for addresses that are left in it, before it's published.
package publish
