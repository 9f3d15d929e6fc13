package org.pocketbench.host;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.pocketbench.core.Channel;
import org.pocketbench.core.Refused;

/** The paced protocol over standard input and the standard output that was taken away from everyone else. */
final class StandardChannel implements Channel {
    private final BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    private final int out = Native.takeStandardOutput();

    @Override
    public void say(String line) {
        byte[] bytes = (line.replaceAll("\\s+", " ") + "\n").getBytes(StandardCharsets.UTF_8);
        if (!Native.write(out, bytes)) {
            System.err.println("nobody hears: " + line);
        }
    }

    @Override
    public String hear() throws Refused {
        try {
            String line = in.readLine();
            String word = line == null ? FINISH : line.trim();
            if (!word.equals(GO) && !word.equals(FINISH)) {
                throw new Refused("'" + word + "' was said to a paced worker, which knows go and finish");
            }
            return word;
        } catch (IOException gone) {
            return FINISH;
        }
    }
}
