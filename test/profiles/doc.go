// Package profiles plays what the suites of other packages promise within the installed unit, with the sandbox of each profile: what Flannel's and
// keepalived's suites do in the companion unit (TestNetwork), the suite of package pods in the run profile (TestRunProfile), and that no secret leaves
// a node by what the unit writes and by what collect collects (TestSecretsStay). Each check has a broken package that it must refuse.
package profiles
