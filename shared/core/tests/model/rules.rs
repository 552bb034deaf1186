//! The rules of the protocol, each of which can be switched off.

macro_rules! rules {
    ($($(#[$sentence:meta])+ $rule:ident,)+) => {
        /// One rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Rule {
            $($(#[$sentence])+ $rule,)+
        }

        impl Rule {
            pub(crate) const ALL: &[Self] = &[$(Self::$rule),+];
        }
    };
}

rules! {
    // What a commit is.
    /// A commit finishes its claim only where none stands in its way.
    ClaimIsConditional,
    /// The claim is not finished in a transaction before the effects.
    ClaimNotBeforeEffects,
    /// The effects are not written in a transaction before the claim.
    EffectsNotBeforeClaim,
    /// Saved entities and emitted messages are written in one transaction.
    SavesGoWithEvents,
    /// A save succeeds only at the version that was loaded.
    SavesCheckVersions,
    /// An entity that was read and not saved must still be at the version that was loaded.
    ReadsCheckVersions,
    /// After a version conflict the handler loads and decides again: its old decision is not sent again.
    ConflictsDecideAgain,

    // What a claim means to others.
    /// Only a finished claim makes a duplicate: while it is held, its message waits.
    OnlyFinishedIsDuplicate,
    /// A finished claim with another payload is a mismatch, not a duplicate.
    PayloadsAreCompared,
    /// A held claim with another payload is no mismatch yet: it may be given up.
    MismatchOnlyWhenFinished,
    /// Conditions compare a claim's expiry themselves: they do not wait for the sweeper.
    ConditionsCompareExpiry,
    /// A claim lives longer than anything may deliver its message again.
    ClaimsOutliveRedelivery,

    // What is told to the source.
    /// A message is acknowledged after its commit.
    CommitBeforeAcknowledgement,
    /// A commit without an answer is not taken for a success.
    UnknownIsNotSuccess,
    /// A commit that is sent again recognises by the owner token that it has happened.
    OwnCommitIsRecognised,
    /// A rejected message is in the dead-letter queue before it is acknowledged.
    DeadLetterBeforeAcknowledgement,
    /// A rejected message leaves no claim.
    RejectedLeavesNoClaim,
    /// A redelivered message's claim is looked up before its handler runs.
    RedeliveredIsRecalled,
    /// A failing message's claim is looked up before the failure is judged.
    FailureIsRecalled,
    /// The claim of a message that cannot be read is looked up before the message is judged.
    UnreadIsRecalled,
    /// Looking a claim up is strongly consistent: finished work is seen at once.
    RecallIsConsistent,

    // What a lease is.
    /// The claim is taken before the outside world is called.
    ClaimBeforeCall,
    /// The lease is not shorter than what is left of the invocation.
    LeaseIsNotShorter,
    /// The lease is not longer than what is left of the invocation.
    LeaseIsNotLonger,
    /// A lease that has ended binds nobody: its claim can be taken over.
    EndedLeaseBindsNobody,
    /// Nobody takes a claim over before its lease ends.
    TakeOverAfterLease,
    /// At the invocation's deadline a claim is kept: the call may still be going on.
    LeaseIsKeptAtDeadline,
    /// A claim that is taken again after a lost answer recognises itself by the owner token.
    OwnClaimIsRecognised,
    /// The owner is a random token, not the number of the delivery.
    OwnerIsRandom,
    /// A leased commit needs the owner token of the claim.
    CommitIsByOwner,
    /// A release needs the owner token of the claim.
    ReleaseIsByOwner,
    /// A release leaves a finished claim alone.
    ReleaseSparesFinished,
    /// The outside call's idempotency key is the message's, not the attempt's.
    IdempotencyKeyIsTheMessages,

    // What a batch is.
    /// Of the deliveries of one message in one batch one runs, and the others inherit its verdict.
    TwinsAreGrouped,
    /// In a FIFO group the first message that must come again holds back what follows it.
    GroupsAreHeldBack,
    /// No item appears twice in a transaction: commits that share one are sent one after another.
    ItemsAppearOnce,
    /// When a transaction is cancelled, each of its commits is settled by its own reason.
    ReasonsSettleEach,
}

/// The rules that hold: all, or all but one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    without: Option<Rule>,
}

impl Rules {
    pub(crate) const ALL: Self = Self { without: None };

    pub(crate) fn without(rule: Rule) -> Self {
        Self { without: Some(rule) }
    }

    pub(crate) fn hold(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
