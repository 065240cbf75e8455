package main

import "shunt/cni"

// newPlugin returns the program in its role as a CNI plugin.
func newPlugin() *cni.Plugin {
	return &cni.Plugin{Version: versionString(), Level: parseLevel}
}
