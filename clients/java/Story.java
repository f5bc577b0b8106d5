import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BooleanSupplier;

/** What the story in Java needs besides a client: its records, its checks, and how it reports to xtask. */
final class Story {
    static final int RECORDS = 20_000;
    static final int KEYS = 97;
    static final int LARGE_BYTES = 1_048_576;
    static final int WAVE = 1_000;
    static final String PADDING = "abcdefghij".repeat(8);
    static final Map<String, String> TOPIC_CONFIG =
        Map.of("max.message.bytes", "2097152", "retention.ms", "86400000");

    private final BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    private boolean failed;

    /** A step: its result is the detail of its report. */
    interface Step {
        String run() throws Exception;
    }

    Story(String client, String version) {
        say("\"client\": " + quote(client) + ", \"version\": " + quote(version));
    }

    void step(String name, Step step) {
        String status = "pass";
        String detail;
        try {
            detail = step.run();
        } catch (Exception | AssertionError error) {
            error.printStackTrace();
            status = "fail";
            detail = error.toString();
            failed = true;
        }
        String line = "\"step\": " + quote(name) + ", \"status\": " + quote(status);
        say(line + ", \"detail\": " + quote(detail == null ? "" : detail));
    }

    /** A step that the library cannot do. */
    void inapplicable(String name, String reason) {
        say("\"step\": " + quote(name) + ", \"status\": \"n/a\", \"detail\": " + quote(reason));
    }

    /** Has the broker restarted. */
    void restart() throws IOException {
        say("\"ask\": \"restart\"");
        String answer = in.readLine();
        expect("restarted".equals(answer), "asked for a restart, was answered " + answer);
    }

    void end() {
        System.exit(failed ? 1 : 0);
    }

    static void expect(boolean condition, String message) {
        if (!condition) {
            throw new AssertionError(message);
        }
    }

    /** Waits until {@code done}, for a minute at most. */
    static void until(String what, BooleanSupplier done) throws InterruptedException {
        long end = System.nanoTime() + 60_000_000_000L;
        while (!done.getAsBoolean()) {
            expect(System.nanoTime() < end, "waited 60 s for " + what);
            Thread.sleep(20);
        }
    }

    static byte[] key(int index) {
        return ("key-" + index % KEYS).getBytes(StandardCharsets.UTF_8);
    }

    static byte[] value(String label, int index) {
        return String.format("%s-%06d-%s", label, index, PADDING).getBytes(StandardCharsets.UTF_8);
    }

    private static void say(String fields) {
        System.out.println("{" + fields + "}");
        System.out.flush();
    }

    private static String quote(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char character : text.toCharArray()) {
            if (character == '"' || character == '\\') {
                quoted.append('\\').append(character);
            } else if (character < ' ') {
                quoted.append(String.format("\\u%04x", (int) character));
            } else {
                quoted.append(character);
            }
        }
        return quoted.append('"').toString();
    }

    /** The records of one run as they were read. Safe for several threads. */
    static final class Seen {
        private final String label;
        private final Map<Integer, Integer> count = new HashMap<>();
        private final Map<String, Integer> last = new HashMap<>();
        private String disorder;

        Seen(String label) {
            this.label = label;
        }

        /** Takes one record in, answers its index, and fails on one that was never sent. */
        synchronized int add(byte[] key, byte[] value) {
            int begin = label.length() + 1;
            int index = Integer.parseInt(new String(value, begin, 6, StandardCharsets.UTF_8));
            expect(Arrays.equals(value, value(label, index)), "record " + index + " came back with another value");
            expect(Arrays.equals(key, key(index)), "record " + index + " came back with another key");
            Integer before = last.put(new String(key, StandardCharsets.UTF_8), index);
            if (before != null && index <= before && disorder == null) {
                disorder = "record " + index + " came after " + before + " of the same key";
            }
            count.merge(index, 1, Integer::sum);
            return index;
        }

        synchronized int size() {
            return count.size();
        }

        synchronized int repeats() {
            return count.values().stream().mapToInt(Integer::intValue).sum() - count.size();
        }

        synchronized void checkAll(int total) {
            for (int index = 0; index < total; index++) {
                expect(count.containsKey(index), total - count.size() + " records were not seen, the first is " + index);
            }
        }

        synchronized void checkExactlyOnce(int total) {
            checkAll(total);
            expect(repeats() == 0, repeats() + " records were seen more than once");
            expect(disorder == null, disorder);
        }
    }
}
