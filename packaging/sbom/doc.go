// Command sbom writes what a package is made of, from what Go put into its programs: a bill of materials in CycloneDX's JSON, or the licenses of
// all modules as one text.
//
//	sbom -name nodeagent -version 1.2.3 -time 2026-01-31T00:00:00Z PROGRAM... > nodeagent.cdx.json
//	sbom -licenses PROGRAM... > third-party-licenses
//
// `make package` uses it. The output is a function of its arguments, the programs and the modules, so that packages can be built again bit by bit.
package main
