// Package install puts the plugin on a node, chains it to the network that the
// container runtime uses, keeps it there, and takes it out again.
//
// Everything that it decides (which file, which bytes, which mode) is a pure
// function of what the folders hold; [Installer.Sync] reads, decides, writes and
// reads again, and can be called at any time: where nothing differs, it writes
// nothing. At every instant, and after a kill at any instant, the runtime finds
// the old configuration or the new one, complete, and no entry whose binary is
// missing.
package install
