// Empty is the measure of a Go program's start: it does nothing.
package main

func main() {}
