package lint

// The rules. Where the fix names a number it is the one of `nodeagent vip config`.
var (
	ruleBraces         = &Rule{"Braces", Error, "Count the braces: `keepalived -t -f FILE` names the same place."}
	ruleQuote          = &Rule{"Quote", Error, "Close the quote on the same line."}
	ruleIncludeMissing = &Rule{"IncludeMissing", Error, "Correct the path: keepalived passes over an include that it can't read and starts without it."}
	ruleIncludeCycle   = &Rule{"IncludeCycle", Error, "Take the include out: keepalived follows it until it can open no more files."}
	ruleTooLarge       = &Rule{"TooLarge", Unsure, "Split the configuration, or read this part by eye."}
	ruleUnsure         = &Rule{"NotUnderstood", Unsure, "Read this line by eye, and with `keepalived -t -f FILE`."}
	ruleUnknownWord    = &Rule{"UnknownKeyword", Error, "Correct the word: keepalived passes over a line that it does not know and starts without it."}
	ruleNoInstance     = &Rule{"NoInstance", Warning, "Add a vrrp_instance: `nodeagent vip config` prints one."}

	ruleVRIDMissing   = &Rule{"VRIDMissing", Error, "Set virtual_router_id to a number of 1 to 255 that nobody else on this network uses."}
	ruleVRID51        = &Rule{"VRID51", Warning, "Choose another virtual_router_id on every node at once: 51 is in every example, and the next cluster on this network has it too."}
	ruleVRIDTwice     = &Rule{"VRIDTwice", Error, "Give each instance of one interface and address family a virtual_router_id of its own."}
	rulePriority      = &Rule{"PriorityRange", Error, "Set priority to 1 to 254, different on each node."}
	ruleOwner         = &Rule{"PriorityOwner", Error, "Use a priority below 255: keepalived never changes the priority of an address owner, so no check counts."}
	ruleSamePriority  = &Rule{"SamePriority", Warning, "Give each node a priority of its own, so that it is known who takes over."}
	ruleMaster        = &Rule{"StateMaster", Warning, "Write `state BACKUP` on every node: the priority decides who is master, and a node that comes back first listens."}
	ruleMasters       = &Rule{"StateMasterEverywhere", Error, "Write `state BACKUP` on every node: the priority decides who is master."}
	ruleNopreempt     = &Rule{"NopreemptWithWeight", Error, "Take nopreempt out: a master that only lowers its priority is never taken over by a peer that may not preempt. Use preempt_delay against flapping."}
	ruleNopreemptMstr = &Rule{"NopreemptMaster", Error, "Write `state BACKUP`: keepalived takes nopreempt back where the state is MASTER."}
	ruleSlowAdvert    = &Rule{"SlowAdvert", Warning, "Set advert_int 1: a dead master is noticed after three of them."}
	ruleStrict        = &Rule{"Strict", Error, "Take vrrp_strict out, or add accept: strict mode drops every packet to the VIP, so nothing behind it is reached."}
	ruleSelfPeer      = &Rule{"SelfPeer", Error, "Take this node's own address out of unicast_peer (an @^ID line does it in a shared file)."}
	ruleNoPeers       = &Rule{"NoPeers", Error, "List the other nodes in unicast_peer."}
	ruleAuthLong      = &Rule{"AuthPassLong", Warning, "Use at most 8 characters: the rest is cut off, and software that does not cut disagrees."}
	ruleAuthV3        = &Rule{"AuthWithV3", Warning, "Take the authentication block out: VRRPv3 has none, and keepalived passes over it."}
	ruleUntracked     = &Rule{"NothingTracked", Error, "Add a track_file or track_script to the instance: without one the VIP stays with a node whose services are dead."}
	ruleSyncWeight    = &Rule{"SyncGroupWeight", Error, "Add sync_group_tracking_weight to the group, or take the instance out of it: in a sync group keepalived makes every weight 0, which is FAULT."}

	ruleGap        = &Rule{"WeightBelowGap", Error, "Make the weight larger than the gap to the peer's priority (nodeagent uses 60 for gaps up to 50)."}
	ruleGapUnsure  = &Rule{"WeightGapUnknown", Unsure, "Lint with the other nodes' files (--other), or make the weight 60 and keep the priorities within 50."}
	ruleWeightZero = &Rule{"WeightZero", Warning, "Give the check a weight: with 0 a failure is FAULT, and a cause that all nodes share leaves no VIP anywhere."}
	ruleWeightSize = &Rule{"WeightRange", Error, "Use a weight of -253 to 253; 254 for a file or a process."}
	ruleUndefined  = &Rule{"CheckUndefined", Error, "Declare the check, or correct its name: keepalived passes over a name that it does not know, and the instance is master unchecked."}
	ruleUnused     = &Rule{"CheckUnused", Warning, "Name it in the track block of an instance: keepalived never runs a check that nothing tracks."}
	ruleEmptyTrack = &Rule{"TrackEmpty", Error, "Name a check in the block, or take the block out."}

	ruleSlowCheck      = &Rule{"SlowCheck", Error, "Make fall x interval at most 10 s: interval 1 and fall 3, or a track_file, which needs no interval."}
	ruleTimeout        = &Rule{"NoTimeout", Warning, "Set timeout below the interval: without one a script that hangs is ended only when its next run is due."}
	ruleFraction       = &Rule{"Fraction", Error, "Use whole seconds: keepalived before 2.2.8 refuses fractions here and takes 1 s."}
	ruleNoScript       = &Rule{"ScriptUnset", Error, "Set `script`: keepalived drops a vrrp_script without one."}
	ruleScriptMissing  = &Rule{"ScriptMissing", Error, "Install the script, or correct its path: keepalived drops a script that it can't find, and the instance is master unchecked."}
	ruleScriptMode     = &Rule{"ScriptNotExecutable", Error, "`chmod 755` it: keepalived drops a script that it can't run, and the instance is master unchecked."}
	ruleScriptWritable = &Rule{"ScriptWritable", Error, "Make every folder on the way and the script root's and writable by nobody else: keepalived with enable_script_security drops it, and without it runs what others wrote as root."}
	ruleScriptUser     = &Rule{"ScriptUser", Error, "Set `script_user root` in global_defs (or a user that exists), or `user` in the script: without a user keepalived may drop it."}
	ruleScriptSecurity = &Rule{"ScriptSecurity", Warning, "Add enable_script_security to global_defs."}
	ruleScriptBalancer = &Rule{"ScriptThroughBalancer", Error, "Ask the local apiserver's own port, and the balancer by itself: through the balancer another node's apiserver answers, and under load the VIP flaps."}

	ruleFileUnset   = &Rule{"FileUnset", Error, "Set `file`: keepalived drops a track_file without one."}
	ruleFileMissing = &Rule{"FileUnwritten", Error, "Correct the path, or see that something writes it: a missing or empty file counts as 0, which is healthy."}
	ruleFileValue   = &Rule{"FileNotNumber", Error, "See that what writes it writes one number: keepalived takes anything else as 0, which is healthy."}
	ruleVerdict     = &Rule{"VerdictUnknown", Error, "Use the name of a policy of this node's agent (`nodeagent vip` lists them)."}
	ruleVerdictWt   = &Rule{"VerdictWeight", Error, "Use weight 1: the file already holds the number that the priority changes by; with 0 every one of them is FAULT, and with more it is multiplied."}
	ruleInitHealthy = &Rule{"InitHealthy", Warning, "Write `init_file -60`: without a negative value a node is fit from boot until it was looked at."}
	ruleInitRewrite = &Rule{"InitOverwrite", Error, "Take `overwrite` out: each start and reload of keepalived would replace the verdict, which is written again only when it changes."}
	ruleProcess     = &Rule{"ProcessUnset", Error, "Set `process`."}
	ruleProcessName = &Rule{"ProcessPath", Error, "Write the name of /proc/PID/comm (at most 15 characters, no path), or add full_command."}
	ruleProcessCLI  = &Rule{"ProcessCommandLine", Error, "Write `process nodeagentd`: that is what the daemon calls itself; a process called nodeagent is somebody's command."}
)

// Rules lists every rule.
func Rules() []*Rule {
	return []*Rule{
		ruleBraces, ruleQuote, ruleIncludeMissing, ruleIncludeCycle, ruleTooLarge, ruleUnsure, ruleUnknownWord, ruleNoInstance,
		ruleVRIDMissing, ruleVRID51, ruleVRIDTwice, rulePriority, ruleOwner, ruleSamePriority, ruleMaster, ruleMasters, ruleNopreempt, ruleNopreemptMstr,
		ruleSlowAdvert, ruleStrict, ruleSelfPeer, ruleNoPeers, ruleAuthLong, ruleAuthV3, ruleUntracked, ruleSyncWeight,
		ruleGap, ruleGapUnsure, ruleWeightZero, ruleWeightSize, ruleUndefined, ruleUnused, ruleEmptyTrack,
		ruleSlowCheck, ruleTimeout, ruleFraction, ruleNoScript, ruleScriptMissing, ruleScriptMode, ruleScriptWritable, ruleScriptUser, ruleScriptSecurity, ruleScriptBalancer,
		ruleFileUnset, ruleFileMissing, ruleFileValue, ruleVerdict, ruleVerdictWt, ruleInitHealthy, ruleInitRewrite, ruleProcess, ruleProcessName, ruleProcessCLI,
	}
}

// noter takes a problem.
type noter = func(*Rule, Position, string, ...any)

// check holds every rule against a configuration. others are the other nodes'.
func check(c Config, others []Config, o Options, note noter) {
	if len(c.Instances) == 0 {
		note(ruleNoInstance, Position{}, "no vrrp_instance")
		return
	}
	checkWords(c, note)
	for _, i := range c.Instances {
		checkInstance(c, i, *o.Host, note)
		checkTracks(c, i, note)
		checkGap(c, i, others, note)
		checkState(i, others, note)
	}
	for _, g := range c.Groups {
		checkEmpty(g, note)
		for _, t := range c.tracks(g) {
			checkDefined(t, note)
		}
	}
	checkTwins(c, note)
	checkUnused(c, note)
	checkScripts(c, o, note)
	checkFiles(c, o, note)
	checkProcesses(c, note)
}
