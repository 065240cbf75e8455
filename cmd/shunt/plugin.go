package main

import "shunt/cni"

// lockFolder is set by the linker (-X main.lockFolder=…); empty means
// redirect.LockFolder.
var lockFolder string

// agentSocket is set in the same way, for tests; empty means facts.Socket.
var agentSocket string

// newPlugin returns the program in its role as a CNI plugin.
func newPlugin() *cni.Plugin {
	return &cni.Plugin{Version: versionString(), Locks: lockFolder, Socket: agentSocket}
}
