package org.pocketbench.core;

/** What cannot be done, in words for people, and what to do next ("" where nobody knows). */
public final class Refused extends Exception {
    private static final long serialVersionUID = 1L;
    private static final int MOST = 400;

    /** What to do next. */
    public final String remedy;

    public Refused(String message) {
        this(message, "");
    }

    public Refused(String message, String remedy) {
        super(oneLine(message));
        this.remedy = remedy;
    }

    /** Message and remedy in one line. */
    public String told() {
        return remedy.isEmpty() ? getMessage() : getMessage() + "; " + remedy;
    }

    /** What a runtime says, without its line breaks and not too long. */
    public static String oneLine(String text) {
        String line = text == null ? "" : text.trim().replaceAll("\\s+", " ");
        return line.length() <= MOST ? line : line.substring(0, MOST) + " ...";
    }

    /** What a runtime threw: its own words, or its kind where it has none. */
    public static String oneLine(Throwable error) {
        String line = oneLine(error.getMessage());
        return line.isEmpty() ? error.getClass().getSimpleName() : line;
    }
}
