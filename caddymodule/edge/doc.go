// Package edge is the app `wikiveil`: what all sites of a config share, such as the key ring, the records of sightings and the
// noticeboard of tools, and what is done with it while a config is provisioned, starts, runs and ends.
//
// The packages mask, policy, lookup and tools stand on top of it. A handler finds the app by [AppOf] in its Provision, hands what
// it has to open to [App.OnStart], and asks [App.Started] before it serves a request. What a package has for a whole config it
// declares by [NewPart]. Its part of the admin API goes to [HandleAdmin].
package edge
