import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.functions.ScalarFunction;

/** Nexmark's own function: how often a character is in a text. */
public final class CountChar extends ScalarFunction {
    public long eval(@DataTypeHint("STRING") StringData text, @DataTypeHint("STRING") StringData character) {
        long count = 0;
        byte wanted = character.toBytes()[0];
        for (byte it : text == null ? new byte[0] : text.toBytes()) {
            count += it == wanted ? 1 : 0;
        }
        return count;
    }
}
