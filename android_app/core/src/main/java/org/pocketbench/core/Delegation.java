package org.pocketbench.core;

/** What was taken off the runtime's own kernels; "" for nothing, null for what the runtime does not tell. */
public final class Delegation {
    public static final Delegation UNKNOWN = new Delegation("", null, null);

    public final String delegate;
    public final Long delegatedOperators;
    public final Long totalOperators;

    public Delegation(String delegate, Long delegatedOperators, Long totalOperators) {
        this.delegate = delegate;
        this.delegatedOperators = delegatedOperators;
        this.totalOperators = totalOperators;
    }
}
