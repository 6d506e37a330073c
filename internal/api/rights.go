package api

import (
	"github.com/backstay/backstay"
)

// Access is who an operation answers.
type Access string

// The sorts of access. Whatever the sort, a refusal of what lies within a project looks like the thing not being there.
const (
	Anybody   Access = "anybody"   // also who has not signed in; the operation asks for a proof of its own
	SignedIn  Access = "signed-in" // every person and program
	Self      Access = "self"      // every person and program about themselves, also while a second factor is demanded
	SetUp     Access = "set-up"    // a person in a session about how they sign in, also while a second factor is demanded; no token
	Own       Access = "own"       // a person in a session about what is theirs; no token
	OwnOr     Access = "own-or"    // a person in a session about what is theirs; about what is others', who has the permission for the server
	OnObject  Access = "object"    // who has the permission where the thing lies that the path or body names
	OnList    Access = "list"      // every person and program, of whom each sees what they have the permission for
	OnServer  Access = "server"    // who has the permission for the server itself
	AllOver   Access = "all-over"  // who has the permission everywhere, and is denied it nowhere
	Somewhere Access = "somewhere" // who has the permission anywhere at all
)

// Right is what somebody needs for an operation.
type Right struct {
	Access     Access
	Permission backstay.Permission
	See        backstay.Permission // without it the thing is not there for them; "" where Permission says it
	Fresh      bool                // it asks for a sign-in that was confirmed just now, whatever the role
	Quiet      bool                // it changes nothing, although its method is not GET
}

// rights is the one table of what each operation needs. The use cases ask Decide by themselves: the tests compare them with this table, for
// every operation, role and project, and pages read it to show what is possible. An operation that is missing here fails the tests.
var rights = map[string]Right{
	"claim":         {Access: Anybody},
	"sign-in":       {Access: Anybody},
	"second-factor": {Access: Anybody},
	"use-link":      {Access: Anybody},

	"begin-passkey-sign-in":  {Access: Anybody, Quiet: true},
	"finish-passkey-sign-in": {Access: Anybody},

	"forgot-password":        {Access: Anybody},
	"list-sign-in-providers": {Access: Anybody},
	"begin-identity-sign-in": {Access: Anybody, Quiet: true},
	"finish-identity":        {Access: Anybody},

	"sign-out": {Access: SetUp},
	"confirm":  {Access: SetUp},

	"begin-passkey-confirm":  {Access: SetUp, Quiet: true},
	"finish-passkey-confirm": {Access: SetUp},

	"get-profile":         {Access: Self},
	"update-profile":      {Access: Own},
	"change-password":     {Access: SetUp, Fresh: true},
	"list-factors":        {Access: Self},
	"delete-factor":       {Access: SetUp, Fresh: true},
	"begin-totp":          {Access: SetUp, Fresh: true},
	"confirm-totp":        {Access: SetUp, Fresh: true},
	"make-recovery-codes": {Access: SetUp, Fresh: true},
	"begin-passkey":       {Access: SetUp, Fresh: true},
	"finish-passkey":      {Access: SetUp, Fresh: true},
	"begin-identity":      {Access: SetUp, Fresh: true},
	"list-sessions":       {Access: OwnOr, Permission: backstay.ManageUsers},
	"delete-session":      {Access: OwnOr, Permission: backstay.ManageUsers},
	"list-tokens":         {Access: OwnOr, Permission: backstay.ManageUsers},
	"create-token":        {Access: Somewhere, Permission: backstay.CreateTokens},
	"delete-token":        {Access: OwnOr, Permission: backstay.ManageUsers},

	"get-settings":     {Access: SignedIn},
	"update-settings":  {Access: OnServer, Permission: backstay.ManageSystem},
	"list-permissions": {Access: SignedIn},

	"start-server-backup": {Access: OnServer, Permission: backstay.ManageSystem},
	"list-server-backups": {Access: OnServer, Permission: backstay.ManageSystem},

	"list-audit-events": {Access: Somewhere, Permission: backstay.ReadAudit},
	"export-audit":      {Access: AllOver, Permission: backstay.ExportAudit},
	"verify-audit":      {Access: OnServer, Permission: backstay.ReadAudit, Quiet: true},

	"list-audit-sink-kinds": {Access: SignedIn},
	"list-audit-sinks":      {Access: OnServer, Permission: backstay.ReadAudit},
	"get-audit-sink":        {Access: OnObject, Permission: backstay.ReadAudit},
	"create-audit-sink":     {Access: OnServer, Permission: backstay.ManageSystem},
	"update-audit-sink":     {Access: OnObject, Permission: backstay.ManageSystem, See: backstay.ReadAudit},
	"delete-audit-sink":     {Access: OnObject, Permission: backstay.ManageSystem, See: backstay.ReadAudit},
	"test-audit-sink":       {Access: OnObject, Permission: backstay.ManageSystem, See: backstay.ReadAudit, Quiet: true},

	"list-users":               {Access: Somewhere, Permission: backstay.ReadUsers},
	"get-user":                 {Access: Somewhere, Permission: backstay.ReadUsers},
	"create-user":              {Access: OnServer, Permission: backstay.ManageUsers},
	"update-user":              {Access: OnServer, Permission: backstay.ManageUsers, See: backstay.ReadUsers},
	"delete-user":              {Access: OnServer, Permission: backstay.ManageUsers, See: backstay.ReadUsers},
	"create-link":              {Access: OnServer, Permission: backstay.ManageUsers, See: backstay.ReadUsers},
	"explain-rights":           {Access: OnServer, Permission: backstay.ReadUsers, See: backstay.ReadUsers}, // of others at /system; where else, who has it there
	"list-groups":              {Access: Somewhere, Permission: backstay.ReadUsers},
	"get-group":                {Access: Somewhere, Permission: backstay.ReadUsers},
	"create-group":             {Access: OnServer, Permission: backstay.ManageUsers},
	"update-group":             {Access: OnServer, Permission: backstay.ManageUsers, See: backstay.ReadUsers},
	"delete-group":             {Access: OnServer, Permission: backstay.ManageUsers, See: backstay.ReadUsers},
	"list-identity-providers":  {Access: Somewhere, Permission: backstay.ReadUsers},
	"get-identity-provider":    {Access: Somewhere, Permission: backstay.ReadUsers},
	"create-identity-provider": {Access: OnServer, Permission: backstay.ManageSignIn},
	"update-identity-provider": {Access: OnServer, Permission: backstay.ManageSignIn, See: backstay.ReadUsers},
	"delete-identity-provider": {Access: OnServer, Permission: backstay.ManageSignIn, See: backstay.ReadUsers},

	"list-roles":   {Access: SignedIn},
	"get-role":     {Access: SignedIn},
	"create-role":  {Access: OnServer, Permission: backstay.ManageRoles},
	"update-role":  {Access: OnServer, Permission: backstay.ManageRoles},
	"delete-role":  {Access: OnServer, Permission: backstay.ManageRoles},
	"list-grants":  {Access: OnList, Permission: backstay.ReadUsers},
	"get-grant":    {Access: OnObject, Permission: backstay.ReadUsers},
	"create-grant": {Access: OnObject, Permission: backstay.ManageGrants},
	"update-grant": {Access: OnObject, Permission: backstay.ManageGrants, See: backstay.ReadUsers},
	"delete-grant": {Access: OnObject, Permission: backstay.ManageGrants, See: backstay.ReadUsers},

	"list-projects":  {Access: OnList, Permission: backstay.ReadSources},
	"get-project":    {Access: OnObject, Permission: backstay.ReadSources},
	"create-project": {Access: OnObject, Permission: backstay.ManageProjects},
	"update-project": {Access: OnObject, Permission: backstay.ManageProjects, See: backstay.ReadSources},
	"delete-project": {Access: OnObject, Permission: backstay.ManageProjects, See: backstay.ReadSources},

	"list-source-kinds":  {Access: SignedIn},
	"list-storage-kinds": {Access: SignedIn},
	"list-sources":       {Access: OnList, Permission: backstay.ReadSources},
	"get-source":         {Access: OnObject, Permission: backstay.ReadSources},
	"create-source":      {Access: OnObject, Permission: backstay.ManageSources},
	"update-source":      {Access: OnObject, Permission: backstay.ManageSources, See: backstay.ReadSources},
	"delete-source":      {Access: OnObject, Permission: backstay.ManageSources, See: backstay.ReadSources},
	"test-source":        {Access: OnObject, Permission: backstay.ManageSources, See: backstay.ReadSources, Quiet: true},
	"list-modules":       {Access: OnList, Permission: backstay.ReadSources},
	"get-module":         {Access: OnObject, Permission: backstay.ReadSources},
	"create-module":      {Access: OnObject, Permission: backstay.ManageModules},
	"update-module":      {Access: OnObject, Permission: backstay.ManageModules, See: backstay.ReadSources},
	"delete-module":      {Access: OnObject, Permission: backstay.ManageModules, See: backstay.ReadSources},
	"list-storages":      {Access: OnList, Permission: backstay.ReadSources},
	"get-storage":        {Access: OnObject, Permission: backstay.ReadSources},
	"create-storage":     {Access: OnObject, Permission: backstay.ManageStorages},
	"update-storage":     {Access: OnObject, Permission: backstay.ManageStorages, See: backstay.ReadSources},
	"delete-storage":     {Access: OnObject, Permission: backstay.ManageStorages, See: backstay.ReadSources},
	"test-storage":       {Access: OnObject, Permission: backstay.ManageStorages, See: backstay.ReadSources, Quiet: true},
	"list-repositories":  {Access: OnList, Permission: backstay.ReadSources},
	"get-repository":     {Access: OnObject, Permission: backstay.ReadSources},
	"create-repository":  {Access: OnObject, Permission: backstay.ManageRepository},
	"update-repository":  {Access: OnObject, Permission: backstay.ManageRepository, See: backstay.ReadSources},
	"delete-repository":  {Access: OnObject, Permission: backstay.DeleteRepository, See: backstay.ReadSources},
	"verify-repository":  {Access: OnObject, Permission: backstay.StartVerification, See: backstay.ReadSources},
	"prune-repository":   {Access: OnObject, Permission: backstay.ManageRepository, See: backstay.ReadSources},
	"scan-repository":    {Access: OnObject, Permission: backstay.ManageRepository, See: backstay.ReadSources},

	"list-plans":         {Access: OnList, Permission: backstay.ReadSources},
	"get-plan":           {Access: OnObject, Permission: backstay.ReadSources},
	"create-plan":        {Access: OnObject, Permission: backstay.ManagePlans},
	"update-plan":        {Access: OnObject, Permission: backstay.ManagePlans, See: backstay.ReadSources},
	"delete-plan":        {Access: OnObject, Permission: backstay.ManagePlans, See: backstay.ReadSources},
	"start-plan":         {Access: OnObject, Permission: backstay.StartRuns, See: backstay.ReadSources},
	"list-runs":          {Access: OnList, Permission: backstay.ReadSources},
	"get-run":            {Access: OnObject, Permission: backstay.ReadSources},
	"get-run-log":        {Access: OnObject, Permission: backstay.ReadSources},
	"cancel-run":         {Access: OnObject, Permission: backstay.StartRuns, See: backstay.ReadSources},
	"retry-run":          {Access: OnObject, Permission: backstay.StartRuns, See: backstay.ReadSources},
	"list-snapshots":     {Access: OnList, Permission: backstay.ListSnapshots},
	"get-snapshot":       {Access: OnObject, Permission: backstay.ListSnapshots},
	"protect-snapshot":   {Access: OnObject, Permission: backstay.ProtectSnapshots, See: backstay.ListSnapshots},
	"unprotect-snapshot": {Access: OnObject, Permission: backstay.ProtectSnapshots, See: backstay.ListSnapshots},

	"list-repository-keys":  {Access: OnObject, Permission: backstay.ManageRepository, See: backstay.ReadSources},
	"add-repository-key":    {Access: OnObject, Permission: backstay.RevealSecrets, See: backstay.ReadSources},
	"remove-repository-key": {Access: OnObject, Permission: backstay.RevealSecrets, See: backstay.ReadSources},
	"tag-snapshot":          {Access: OnObject, Permission: backstay.ProtectSnapshots, See: backstay.ListSnapshots},

	"sign-audit":                 {Access: OnServer, Permission: backstay.ReadAudit, Quiet: true},
	"get-clock":                  {Access: SignedIn},
	"confirm-clock":              {Access: OnServer, Permission: backstay.ManageSystem},
	"reveal-repository-password": {Access: OnObject, Permission: backstay.RevealSecrets, See: backstay.ReadSources},
	"reveal-storage-secrets":     {Access: OnObject, Permission: backstay.RevealSecrets, See: backstay.ReadSources},
	"reveal-source-secrets":      {Access: OnObject, Permission: backstay.RevealSecrets, See: backstay.ReadSources},
	"accept-kit-risk":            {Access: Somewhere, Permission: backstay.ExportRecoveryKit},
	"export-recovery-kit":        {Access: Somewhere, Permission: backstay.ExportRecoveryKit},
	"get-recovery-kit-state":     {Access: Somewhere, Permission: backstay.ManageRepository},

	"search":                {Access: Somewhere, Permission: backstay.BrowseSnapshots},
	"get-history":           {Access: OnObject, Permission: backstay.BrowseSnapshots, See: backstay.ReadSources},
	"list-module-snapshots": {Access: OnObject, Permission: backstay.ListSnapshots, See: backstay.ReadSources},
	"list-snapshot-entries": {Access: OnObject, Permission: backstay.BrowseSnapshots, See: backstay.ListSnapshots},
	"diff-snapshots":        {Access: OnObject, Permission: backstay.BrowseSnapshots, See: backstay.ListSnapshots},
	"get-snapshot-content":  {Access: OnObject, Permission: backstay.ReadSnapshots, See: backstay.ListSnapshots},
	"download-snapshot":     {Access: OnObject, Permission: backstay.ReadSnapshots, See: backstay.ListSnapshots},
	"delete-snapshot":       {Access: OnObject, Permission: backstay.DeleteSnapshots, See: backstay.ListSnapshots},
	"preview-retention":     {Access: OnObject, Permission: backstay.ListSnapshots, See: backstay.ReadSources, Quiet: true},
	"list-restores":         {Access: OnList, Permission: backstay.PlanRestores},
	"get-restore":           {Access: OnObject, Permission: backstay.PlanRestores},
	"plan-restore":          {Access: OnObject, Permission: backstay.PlanRestores, See: backstay.ListSnapshots},
	"list-restore-changes":  {Access: OnObject, Permission: backstay.PlanRestores},
	"decide-restore":        {Access: OnObject, Permission: backstay.PlanRestores},
	"apply-restore":         {Access: OnObject, Permission: backstay.RestoreElsewhere, See: backstay.PlanRestores},
	"discard-restore":       {Access: OnObject, Permission: backstay.PlanRestores},
	"get-restore-report":    {Access: OnObject, Permission: backstay.PlanRestores},

	"list-channel-kinds":       {Access: SignedIn},
	"list-channels":            {Access: OnList, Permission: backstay.ManageChannels},
	"get-channel":              {Access: OnObject, Permission: backstay.ManageChannels},
	"create-channel":           {Access: OnObject, Permission: backstay.ManageChannels},
	"update-channel":           {Access: OnObject, Permission: backstay.ManageChannels},
	"delete-channel":           {Access: OnObject, Permission: backstay.ManageChannels},
	"test-channel":             {Access: OnObject, Permission: backstay.ManageChannels, Quiet: true},
	"list-notification-rules":  {Access: OnList, Permission: backstay.ManageChannels},
	"get-notification-rule":    {Access: OnObject, Permission: backstay.ManageChannels},
	"create-notification-rule": {Access: OnObject, Permission: backstay.ManageChannels},
	"update-notification-rule": {Access: OnObject, Permission: backstay.ManageChannels},
	"delete-notification-rule": {Access: OnObject, Permission: backstay.ManageChannels},
	"list-deliveries":          {Access: OnList, Permission: backstay.ManageChannels},
	"get-delivery":             {Access: OnObject, Permission: backstay.ManageChannels},
	"list-alerts":              {Access: OnList, Permission: backstay.ReadSources},
	"get-alert":                {Access: OnObject, Permission: backstay.ReadSources},
	"acknowledge-alert":        {Access: OnObject, Permission: backstay.StartRuns, See: backstay.ReadSources},
	"watch-run":                {Access: OnObject, Permission: backstay.ReadSources},
	"get-metrics-summary":      {Access: Somewhere, Permission: backstay.ReadReports},
	"get-overview":             {Access: OnList, Permission: backstay.ReadSources},
	"get-storage-usage":        {Access: OnObject, Permission: backstay.ReadSources},

	"backup-download":        {Access: OnObject, Permission: backstay.ReadSnapshots, See: backstay.ListSnapshots},
	"backup-logs":            {Access: OnList, Permission: backstay.ReadSources},
	"backup-schedules":       {Access: OnList, Permission: backstay.ReadSources},
	"backup-create-schedule": {Access: OnObject, Permission: backstay.ManagePlans},
	"backup-delete-schedule": {Access: OnObject, Permission: backstay.ManagePlans, See: backstay.ReadSources},
	"backup-verify":          {Access: OnObject, Permission: backstay.StartVerification, See: backstay.ListSnapshots},
}

// describe says in the description what the operation needs.
func (r Right) describe() map[string]any {
	d := map[string]any{"x-access": r.Access}
	if r.Permission != "" {
		d["x-permission"] = r.Permission
	}
	return d
}
